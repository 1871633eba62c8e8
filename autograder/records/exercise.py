"""What an exercise is: the data in its ``exercise.toml`` and what its checks say of themselves."""

from enum import StrEnum

import msgspec


class Kind(StrEnum):
    """What a check measures."""

    CORRECTNESS = "correctness"
    SPEEDUP = "speedup"
    DETERMINISM = "determinism"
    CLEANUP = "cleanup"


class Device(StrEnum):
    """Where the tensors of an exercise are."""

    CPU = "cpu"
    CUDA = "cuda"


#: The sandbox's environment variable that names the device.
DEVICE_VARIABLE = "AUTOGRADER_DEVICE"


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one call into a submission may use. Passing a limit ends the call, and the verdict says which it was."""

    wall_seconds: float = 10.0
    #: CPU time of all processes of the call together.
    cpu_seconds: float = 30.0
    #: Memory of all processes of the call together.
    memory_mb: int = 2048
    #: Processes and threads together.
    processes: int = 128
    #: Scratch space, and the same again for shared memory.
    files_mb: int = 64
    #: Kept of standard output and of standard error; the rest is dropped.
    output_kib: int = 64


class Exercise(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One exercise, as ``exercise.toml`` in its folder describes it. An unknown key is an error."""

    name: str
    order: int
    title: str
    summary: str
    #: How long a student may expect to need.
    minutes: int
    #: Three steps: a question, a pointer, a sketch.
    hints: tuple[str, ...]
    #: Names that a submission's module must offer.
    offers: tuple[str, ...]
    #: Names of the exercises that should be done before, each with a smaller number.
    builds_on: tuple[str, ...] = ()
    #: Fingerprint of the stub; ``release`` writes it into what students get, so that work that was begun is known.
    released: str = ""
    #: Modules that the sandbox has imported before a submission starts.
    preload: tuple[str, ...] = ()
    #: Environment variables of the sandbox, beside the common ones.
    environment: dict[str, str] = {}
    limits: Limits = Limits()
    #: Where its tensors can be; the first unless another is asked for.
    devices: tuple[Device, ...] = (Device.CPU,)

    @property
    def folder_name(self) -> str:
        """The exercise's folder, ``NN_name``."""
        return f"{self.order:02d}_{self.name}"

    @property
    def device(self) -> Device:
        """Where its tensors are."""
        return Device(self.environment.get(DEVICE_VARIABLE, Device.CPU))

    def on(self, device: Device) -> "Exercise":
        """The same exercise with its tensors on ``device``."""
        limits = self.limits
        if device is Device.CUDA:  # every process that uses a GPU begins with seconds and gigabytes of CUDA's own
            limits = msgspec.structs.replace(
                limits,
                wall_seconds=2 * limits.wall_seconds,
                cpu_seconds=2 * limits.cpu_seconds,
                memory_mb=4 * limits.memory_mb,
            )
        environment = {**self.environment, DEVICE_VARIABLE: str(device)}
        return msgspec.structs.replace(self, environment=environment, limits=limits)

    @property
    def module_file(self) -> str:
        """The file that a student hands in, ``name.py``."""
        return f"{self.name}.py"


class CheckInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a check says of itself before it runs."""

    name: str
    #: The first line of its docstring: what students see.
    title: str
    kind: Kind
    points: float
    hidden: bool
    #: Checks that must have passed before this one can be judged.
    needs: tuple[str, ...] = ()
