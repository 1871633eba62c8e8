"""What is to be graded, and the sandboxes that the grading shares."""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from autograder.catalog.check_sources import read_checks
from autograder.catalog.exercises import ExerciseFolder
from autograder.catalog.submissions import Submission
from autograder.catalog.text import read_own
from autograder.checks.recording import Recording
from autograder.checks.remote import RemoteModule
from autograder.records import CheckInfo, Device, Exercise
from autograder.sandbox import Isolation, Sandbox, ZygoteSandbox

_GPUS = {"gpus.py": b"import torch\ndef count(): return torch.cuda.device_count()\n"}

MakeSandbox = Callable[[Exercise, Isolation | None], Sandbox]


def start_zygote(exercise: Exercise, forced: Isolation | None) -> Sandbox:
    """The sandbox that an exercise asks for; it starts at once and is waited for when it is first needed."""
    return ZygoteSandbox(exercise.preload, exercise.environment, forced)


class Sandboxes:
    """One sandbox for each set of preloaded modules, started when first asked for. A context manager."""

    def __init__(self, forced: Isolation | None = None, make: MakeSandbox = start_zygote, seed: str = "") -> None:
        #: The isolation level that was asked for, if any.
        self.forced = forced
        self._make = make
        #: New for every run and the same for all its students: equal work, and none that was done beforehand.
        self.seed = seed or secrets.token_hex(8)
        self._made: dict[object, Sandbox] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def of(self, exercise: Exercise) -> Sandbox:
        """The sandbox for ``exercise``."""
        key = self._key(exercise)
        if key not in self._made:
            self._made[key] = self._make(exercise, self.forced)
        return self._made[key]

    @staticmethod
    def _key(exercise: Exercise) -> object:
        return exercise.preload, tuple(sorted(exercise.environment.items()))

    def renew(self, exercise: Exercise) -> None:
        """End the sandbox of ``exercise``, which has failed; the next use makes a new one."""
        self._made.pop(self._key(exercise)).close()

    def close(self) -> None:
        """End all of them."""
        while self._made:
            self._made.popitem()[1].close()


@dataclass(frozen=True, slots=True)
class Task:
    """One submission and the checks that it faces."""

    submission: Submission
    folder: ExerciseFolder
    checks: tuple[CheckInfo, ...]

    @classmethod
    def of(cls, submission: Submission, folder: ExerciseFolder, only: Iterable[str] | None = None) -> Self:
        """The task of judging ``submission`` by all checks in ``folder``, or by those named and what they need."""
        checks = read_checks(folder.tests)
        if only is not None:
            wanted = set(only)
            for check in reversed(checks):
                if check.name in wanted:
                    wanted.update(check.needs)
            checks = tuple(check for check in checks if check.name in wanted)
        return cls(submission, folder, checks)


@dataclass(slots=True)
class Subject:
    """A task at work: its modules in the sandbox, and why it cannot be imported, if so."""

    task: Task
    sandboxes: Sandboxes
    #: Where the timelines of its calls go, if they are wanted.
    recording: Recording | None = None
    _problem: str | None = None
    _hindrance: str | None = None

    @property
    def submission(self) -> RemoteModule:
        """The student's module."""
        return self._module(self.task.folder.exercise.name)

    @property
    def driver(self) -> RemoteModule:
        """The exercise's driver, with the student's module beside it."""
        return self._module("driver")

    @property
    def yardstick(self) -> RemoteModule:
        """The exercise's yardstick, with the driver beside it and no submission anywhere near."""
        folder = self.task.folder
        return self._remote("yardstick", _read(folder.driver, folder.yardstick))

    def import_problem(self) -> str:
        """Why the submission cannot be imported, or nothing. Found out once."""
        if self._problem is None:
            self._problem = self.task.submission.problem or self.submission.import_problem()
        return self._problem

    def hindrance(self) -> str:
        """Why this machine cannot run the exercise as it is asked for, or nothing. Found out once."""
        if self._hindrance is None:
            self._hindrance = ""
            if self.task.folder.exercise.device is Device.CUDA and self._remote("gpus", _GPUS).count() == 0:
                self._hindrance = "torch sees no GPU on this machine (torch.cuda.device_count() is 0)."
        return self._hindrance

    def renew_sandbox(self) -> None:
        """Go on in a new sandbox: the one that there is has failed."""
        self.sandboxes.renew(self.task.folder.exercise)

    def _module(self, name: str) -> RemoteModule:
        folder = self.task.folder
        return self._remote(
            name, {folder.exercise.module_file: self.task.submission.source.encode(), **_read(folder.driver)}
        )

    def _remote(self, name: str, files: dict[str, bytes]) -> RemoteModule:
        exercise = self.task.folder.exercise
        return RemoteModule(lambda: self.sandboxes.of(exercise), files, name, exercise.limits, self.recording)


def _read(*paths: Path | None) -> dict[str, bytes]:
    return {path.name: read_own(path).encode() for path in paths if path is not None}
