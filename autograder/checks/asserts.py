"""What checks say with: assertions whose text a student reads."""

import itertools
from collections.abc import Callable, Iterable
from typing import Any, NoReturn, TypeVar

import msgspec

from autograder.measure.fingerprints import Difference, Run, first_difference
from autograder.measure.fingerprints import fingerprint as fingerprint
from autograder.measure.observation import Observation

Value = TypeVar("Value")


class CheckFailedError(AssertionError):
    """The submission does not do what the check asks for. The text is the student's."""

    def __init__(self, message: str, credit: float = 0.0) -> None:
        super().__init__(message)
        #: Share of the points that it earns all the same.
        self.credit = credit


class InconclusiveError(Exception):
    """The measurements allow no verdict: a person should look."""


class CannotMeasureError(Exception):
    """This machine cannot measure what the check is about."""


def fail(message: str, credit: float = 0.0) -> NoReturn:
    """The check fails, and ``message`` is what the student reads.

    Args:
        message: What was seen, what it means in this exercise, what to think about next.
        credit: Share of the points that is earned all the same, 0 to 1.
    """
    raise CheckFailedError(message, credit)


def inconclusive(message: str) -> NoReturn:
    """The measurements allow no verdict."""
    raise InconclusiveError(message)


def cannot_measure(message: str) -> NoReturn:
    """This machine cannot measure it; the check is skipped and says why."""
    raise CannotMeasureError(message)


def expect_type(value: object, kind: Any, what: str) -> Any:
    """``value`` when it has the type ``kind``, else a failed check.

    Args:
        value: What a submission returned.
        kind: A type such as ``list[tuple[int, str]]``.
        what: The type in the student's words, as ``"a list of (number, text)"``.
    """
    try:
        return msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError as error:
        fail(f"Expected {what}, but the answer was {shorten(value)} ({error}).")


def assert_clean(observation: Observation) -> None:
    """Nothing that the call started or made may still be there when it has returned."""
    left = observation.leftovers
    if not left:
        return
    parts = []
    if left.processes:
        parts.append(
            f"{_count(left.processes, 'process', 'processes')} that had not ended, or had ended without being waited "
            f"for ({', '.join(left.processes[:5])})"
        )
    if left.threads:
        parts.append(f"{left.threads[0]} of the calling process still running")
    if left.segments:
        parts.append(f"{_count(left.segments, 'segment')} of shared memory ({', '.join(left.segments[:5])})")
    if left.files:
        parts.append(f"{_count(left.files, 'temporary file')} ({', '.join(left.files[:5])})")
    fail(
        f"When the call had returned there were still: {'; '.join(parts)}.\n"
        "Whoever starts something has to wait for its end, on every way out of the function."
    )


def assert_close(expected: Any, actual: Any, *, atol: float, rtol: float = 0.0, what: str = "the result") -> None:
    """Two arrays have one shape and nearly the same numbers. Not-a-number is close to nothing."""
    import numpy as np

    try:
        left, right = np.asarray(expected), np.asarray(actual)
        numeric = right.dtype.kind in "biufc"
    except ValueError:
        numeric = False
    if not numeric:
        fail(f"Expected numbers for {what}, but found {shorten(actual)}.")
    if left.shape != right.shape:
        fail(f"Expected {what} in the shape {left.shape}, but found {right.shape}.")
    kind = np.complex128 if "c" in (left.dtype.kind, right.dtype.kind) else np.float64
    left, right = left.astype(kind), right.astype(kind)
    with np.errstate(all="ignore"):  # what is not a number or not finite is close to nothing
        wrong = ~(np.abs(left - right) <= atol + rtol * np.abs(left))
    if wrong.any():
        where = tuple(int(index) for index in np.argwhere(wrong)[0])
        at = f" at {list(where)}" if where else ""
        fail(
            f"{what[:1].upper()}{what[1:]} differs{at}: expected {left[where]:.9g}, found {right[where]:.9g} "
            f"(allowed difference {atol:.3g}; {int(wrong.sum())} of {wrong.size} numbers differ by more)."
        )


def assert_same_over(
    runs: Iterable[Run[Value]],
    *,
    other: Value,
    blind: str,
    hint: str,
    tell: Callable[[Difference[Value]], str] | None = None,
) -> None:
    """One call gives one result under all conditions: repeats, numbers of workers, start methods, injected delays.

    Args:
        runs: The results; a generator makes no further calls once a difference is found.
        other: The result for another seed. It must differ, or else equality would prove nothing.
        blind: What the student reads if it does not.
        hint: What to think about where results differ.
        tell: Shows a difference; both values, shortened, where it is not given.
    """
    rest = iter(runs)
    first = next(rest)
    if fingerprint(first.value) == fingerprint(other):
        fail(blind)
    difference = first_difference(itertools.chain([first], rest))
    if difference is not None:
        shown = (tell or _tell)(difference)
        fail(f"{shown}\n{hint}")


def shorten(value: object, limit: int = 120) -> str:
    """``repr`` of plain data, cut to a line."""
    try:
        text = " ".join(repr(value).split())
    except RecursionError:
        text = f"a very deeply nested {type(value).__name__}"
    return text if len(text) <= limit else f"{text[: limit - 4]} ..."


def _count(things: tuple[str, ...], one: str, many: str = "") -> str:
    return f"{len(things)} {one if len(things) == 1 else many or one + 's'}"


def _tell(difference: Difference[Any]) -> str:
    one, two = difference.first, difference.second
    width = max(len(one.condition), len(two.condition))
    lines = [f"  {run.condition:{width}}: {shorten(run.value)}" for run in (one, two)]
    return "\n".join(["The same call gave two results.", *lines])
