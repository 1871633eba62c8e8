"""From what a check raised to a verdict."""

import traceback

import pytest

from autograder.checks.asserts import CannotMeasureError, CheckFailedError, InconclusiveError
from autograder.errors import (
    SubmissionCrashedError,
    SubmissionError,
    SubmissionTimeoutError,
)
from autograder.records import CheckInfo, Outcome, Verdict

#: Kept of a message: a check may put into it what a submission returned, and that may be anything.
MESSAGE_LIMIT = 8_000

Figures = dict[str, bool | int | float | str | list[float]]


def judge(
    check: CheckInfo, module_file: str, error: BaseException | None, seconds: float, measured: Figures
) -> Verdict:
    """The verdict on ``check`` when it ended with ``error``, or without one."""
    outcome, message = _outcome(error, module_file)
    if len(message) > MESSAGE_LIMIT:
        message = f"{message[:MESSAGE_LIMIT]}\n[{len(message) - MESSAGE_LIMIT:,} more characters]"
    return Verdict(
        name=check.name,
        title=check.title,
        kind=check.kind,
        outcome=outcome,
        score=_score(check.points, outcome, error),
        points=check.points,
        message=message,
        seconds=round(seconds, 4),
        hidden=check.hidden,
        measured=measured,
    )


def _score(points: float, outcome: Outcome, error: BaseException | None) -> float:
    if isinstance(error, CheckFailedError):
        return round(points * error.credit, 2)
    return points if outcome is Outcome.PASSED else 0.0


def _outcome(error: BaseException | None, module_file: str) -> tuple[Outcome, str]:
    match error:
        case None:
            return Outcome.PASSED, ""
        case pytest.skip.Exception() | CannotMeasureError():
            return Outcome.SKIPPED, _text(error)
        case InconclusiveError():
            return Outcome.INCONCLUSIVE, _text(error)
        case SubmissionTimeoutError():
            return Outcome.TIMEOUT, (
                f"{error}\nIs there a loop that never ends, or a wait for something that nobody sends?"
            )
        case SubmissionCrashedError():
            return Outcome.CRASHED, str(error)
        case SubmissionError():
            return Outcome.FAILED, _what_it_raised(error, module_file)
        case AssertionError() | pytest.fail.Exception():
            return Outcome.FAILED, _text(error) or _asserted(error)
        case _:
            lines = traceback.format_exception(error, limit=-6)
            return Outcome.ERROR, "The grader failed here; this says nothing about the work.\n" + "".join(lines)


def _what_it_raised(error: SubmissionError, module_file: str) -> str:
    if error.type == "NotImplementedError":
        return f"Not written yet: {module_file} raises NotImplementedError here."
    if error.type == "AttributeError" and not error.traceback:
        return error.message
    return f"{module_file} raised {error}\n{error.traceback}".rstrip()


def _text(error: BaseException) -> str:
    # Under pytest's own assertion rewriting, what it adds about the operands is for authors of checks.
    return str(error).partition("\nassert ")[0].strip()


def _asserted(error: BaseException) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"This should hold and does not: {(frame.line or '').removeprefix('assert ')}"
