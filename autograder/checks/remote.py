"""Modules in the sandbox, as checks see them: ``submission.f(...)`` looks like a local call and is none."""

import reprlib
from collections.abc import Callable
from typing import Any

from autograder.checks.recording import Recording
from autograder.errors import SubmissionCrashedError, SubmissionError, SubmissionTimeoutError
from autograder.measure.observation import Observation, Watch
from autograder.measure.timeline import Recorder
from autograder.records import Limits
from autograder.sandbox import Call, Ending, Function, Outcome, Sandbox


class RemoteFunction:
    """A function in the sandbox: call it, or hand it to another one as an argument."""

    __slots__ = ("_module", "name")

    def __init__(self, module: "RemoteModule", name: str) -> None:
        self._module = module
        self.name = name

    def __call__(self, *arguments: object, **named: object) -> Any:
        return self._module.observe(self.name, *arguments, **named).value

    def __repr__(self) -> str:
        return f"{self._module.module_name}.{self.name}"

    def reference(self) -> Function:
        """What stands for this function on its way into the sandbox."""
        return Function(self._module.module_name, self.name)


class RemoteModule:
    """A module in the sandbox. Every call runs in fresh processes, which have all ended when it returns."""

    def __init__(
        self,
        sandbox: Callable[[], Sandbox],
        files: dict[str, bytes],
        module_name: str,
        limits: Limits,
        recording: Recording | None = None,
    ) -> None:
        self._sandbox = sandbox
        self._files = files
        self._limits = limits
        self._recording = recording
        self.module_name = module_name

    def __getattr__(self, name: str) -> RemoteFunction:
        if name.startswith("_"):
            raise AttributeError(name)
        return RemoteFunction(self, name)

    def observe(self, function: str, /, *arguments: object, **named: object) -> Observation:
        """Call ``function`` and tell all that was seen of it. When it raised, the observation says so.

        Raises:
            SubmissionTimeoutError: It did not end within the exercise's limits.
            SubmissionCrashedError: Its process died, or answered with what is no answer.
        """
        call = Call(
            files=self._files,
            module=self.module_name,
            function=function,
            arguments=tuple(_portable(argument) for argument in arguments),
            named={name: _portable(argument) for name, argument in named.items()},
            limits=self._limits,
        )
        watch = Watch(recorder=Recorder() if self._recording is not None else None)
        outcome = self._sandbox().run(call, watch)
        if self._recording is not None:
            self._recording.keep(watch.timeline(_label(RemoteFunction(self, function), arguments, named), outcome))
        return watch.observation(outcome, self._error(outcome, function))

    def import_problem(self) -> str:
        """Why the module cannot be imported, or nothing."""
        outcome = self._sandbox().run(Call(files=self._files, module=self.module_name, limits=self._limits))
        match outcome.ending:
            case Ending.VALUE:
                return ""
            case Ending.IMPORT_FAILED:
                return f"{outcome.type}: {outcome.message}\n{outcome.traceback}".rstrip()
            case _:
                return outcome.message

    def _error(self, outcome: Outcome, function: str) -> SubmissionError | None:
        file = f"{self.module_name}.py"
        match outcome.ending:
            case Ending.VALUE:
                return None
            case Ending.RAISED:
                return SubmissionError(outcome.type, outcome.message, outcome.traceback)
            case Ending.MISSING:
                return SubmissionError("AttributeError", outcome.message)
            case Ending.UNSENDABLE:
                return SubmissionError("TypeError", outcome.message)
            case Ending.IMPORT_FAILED:
                raise SubmissionCrashedError(
                    f"{file} could not be imported: {outcome.type}: {outcome.message}\n{outcome.traceback}".rstrip()
                )
            case Ending.TIMEOUT:
                raise SubmissionTimeoutError(f"{function}(): {outcome.message}")
            case Ending.CRASHED:
                raise SubmissionCrashedError(f"{function}(): {outcome.message}{_last_words(outcome)}")


def _label(function: RemoteFunction, arguments: tuple[object, ...], named: dict[str, object]) -> str:
    """The call as it would be written, with large arguments cut short."""
    shown = [_shown(argument) for argument in arguments]
    shown += [f"{name}={_shown(argument)}" for name, argument in named.items()]
    return f"{function!r}({', '.join(shown)})"


def _shown(argument: object) -> str:
    try:
        return reprlib.repr(argument)
    except ValueError:  # Python does not print integers of more than 4300 digits
        return "..."


def _last_words(outcome: Outcome) -> str:
    text = outcome.stderr.strip()
    return f"\nIt had written: {text[-1500:]}" if text else ""


def _portable(value: object) -> object:
    """``value`` with remote functions replaced by their references."""
    if isinstance(value, RemoteFunction):
        return value.reference()
    if isinstance(value, tuple):
        return tuple(_portable(item) for item in value)
    if isinstance(value, list):
        return [_portable(item) for item in value]
    if isinstance(value, dict):
        return {key: _portable(item) for key, item in value.items()}
    return value
