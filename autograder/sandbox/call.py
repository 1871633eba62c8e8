"""One call into a submission, and what came of it."""

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Protocol

from autograder.records import Limits
from autograder.sandbox.procfs import Snapshot


@dataclass(frozen=True, slots=True)
class Call:
    """What to run: ``module.function(*arguments, **named)`` with ``files`` beside it.

    Without a function the module is imported, and the value is the list of its public names.
    """

    files: dict[str, bytes]
    module: str
    function: str = ""
    arguments: tuple[Any, ...] = ()
    named: dict[str, Any] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)


class Ending(Enum):
    """How a call ended."""

    VALUE = auto()
    #: The function raised.
    RAISED = auto()
    #: The module could not be imported.
    IMPORT_FAILED = auto()
    #: The module has no such function.
    MISSING = auto()
    #: The value was not plain data.
    UNSENDABLE = auto()
    #: Out of time.
    TIMEOUT = auto()
    #: Died, passed a limit or broke the protocol.
    CRASHED = auto()


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What was still there when the call had returned, seen from outside. False when there was nothing."""

    processes: tuple[str, ...] = ()
    threads: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return any((self.processes, self.threads, self.segments, self.files))


@dataclass(slots=True)
class Outcome:
    """What came of a call."""

    ending: Ending
    value: Any = None
    #: For what raised: the exception's class.
    type: str = ""
    message: str = ""
    traceback: str = ""
    wall_seconds: float = 0.0
    #: The process of the call, as the grader sees it and as it sees itself.
    caller: int = 0
    #: Still there at the moment of return: pids as the grader sees them.
    surviving: frozenset[int] = frozenset()
    surviving_threads: int = 0
    segments: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    stdout: str = ""
    stderr: str = ""
    loopback_bytes: int = 0
    #: Handed to ``write``, for pipes and files, by its processes and those that they have waited for; None where that
    #: cannot be known.
    written_bytes: int | None = None
    #: True when no process could exit unseen.
    gated: bool = False


class Observer(Protocol):
    """Looks on while a call runs. ``started`` and ``finished`` frame the time that is measured."""

    def started(self, caller: int, snapshot: Snapshot) -> None: ...

    def tick(self, snapshot: Snapshot) -> None: ...

    def finished(self, snapshot: Snapshot) -> None: ...


class Sandbox(Protocol):
    """Runs calls. The real one starts processes; tests have one that does not."""

    @property
    def isolation(self) -> str: ...

    def run(self, call: Call, observer: Observer | None = None) -> Outcome: ...

    def close(self) -> None: ...
