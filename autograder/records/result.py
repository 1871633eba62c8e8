"""What grading gives: the versioned JSON result (schema 1) and its parts.

The field names and their meaning are a promise to readers of the JSON: a change needs a new ``SCHEMA``.
"""

from enum import StrEnum

import msgspec

from autograder.records.exercise import Kind
from autograder.records.timeline import Timeline

SCHEMA = 1


class Outcome(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    #: The submission did not answer in the time that the exercise allows.
    TIMEOUT = "timeout"
    #: The submission's process died, broke the protocol, or could not be imported.
    CRASHED = "crashed"
    #: A needed check failed, or this machine cannot measure it: the message says which.
    SKIPPED = "skipped"
    #: The measurements do not allow a verdict: a person should look.
    INCONCLUSIVE = "inconclusive"
    #: The grader's own fault; never charged to the student silently.
    ERROR = "error"

    @property
    def judged(self) -> bool:
        """Whether there is a verdict; if not, the points say nothing, and a person has to look."""
        return self not in (Outcome.INCONCLUSIVE, Outcome.ERROR)


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """One check of one submission, judged."""

    name: str
    title: str
    kind: Kind
    outcome: Outcome
    score: float
    points: float
    message: str = ""
    seconds: float = 0.0
    hidden: bool = False
    measured: dict[str, bool | int | float | str | list[float]] = {}
    #: What ran when in its calls. Only where it was asked for: without, the JSON has no such field.
    timeline: Timeline | msgspec.UnsetType = msgspec.UNSET


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One submission, judged."""

    student: str
    exercise: str
    path: str
    score: float
    points: float
    seconds: float
    checks: tuple[Verdict, ...]


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """The machine that measured, so that a figure can be read a year later."""

    cores: int
    isolation: str
    #: Which clock judged speedups: ``corrected`` (run-queue delay taken out) or ``wall``.
    clock: str
    system: str
    python: str
    memory_mb: int
    #: One-minute load average when grading began.
    load: float
    warnings: tuple[str, ...] = ()


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one run of the grader found: the JSON document."""

    schema: int = SCHEMA
    autograder: str
    machine: Machine
    results: tuple[Result, ...]
