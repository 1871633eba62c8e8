"""Assertions about streams of random numbers: normal, apart from each other, the same on every run.

``from autograder.checks import streams``. Each assertion that leaves something to chance takes a ``risk``: how often at
most it may fail a right solution. The risks of an exercise add up, so a check file states how it shares out its own.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from autograder.checks.asserts import fail
from autograder.measure.determinism import (
    Aspect,
    Correlation,
    Numbers,
    Repeat,
    Sign,
    Trait,
    misfit,
    repeats,
    seed_families,
    strongest_correlation,
)
from autograder.measure.fingerprints import Difference


class Stream(NamedTuple):
    """A row of random numbers and what it is called in the student's words: "row 1 of draw(0, 3, 100)"."""

    name: str
    numbers: Numbers


def expect_numbers(value: object, shape: tuple[int, ...], call: str) -> Numbers:
    """``value`` when it is a float64 array of this shape without gaps, else a failed check."""
    if not isinstance(value, np.ndarray):
        fail(f"{call} returned {type(value).__name__}, not a numpy array.")
    if value.shape != shape:
        fail(f"{call} has the shape {value.shape}, not {shape}.")
    if value.dtype != np.float64:
        fail(f"{call} has the dtype {value.dtype}, not float64.")
    if not np.isfinite(value).all():
        fail(f"{call} has {np.count_nonzero(~np.isfinite(value))} values that are not finite.")
    return value


def assert_standard_normal(numbers: Numbers, what: str, *, risk: float) -> None:
    """Mean, spread and shape of the standard normal distribution."""
    found = misfit(numbers, risk)
    if found is None:
        return
    with np.errstate(over="ignore"):
        mean, deviation = numbers.mean(), numbers.std()
    seen = (
        f"{what}: mean {mean:.4f}, standard deviation {deviation:.4f}, from {numbers.min():.2f} to {numbers.max():.2f}."
    )
    if found.trait is Trait.SHAPE:
        fail(f"{seen}\nTheir distribution is not the normal one (Kolmogorov-Smirnov distance {found.value:.4f}).")
    fail(f"{seen}\nStandard normal numbers have mean 0 and standard deviation 1, up to chance.")


def assert_apart(pairs: Sequence[tuple[Stream, Stream]], *, hint: str, risk: float) -> None:
    """No two streams of a pair share numbers, shifted or with turned signs, and none correlates with the other.

    Args:
        pairs: Streams to compare; one name stands for one stream.
        hint: What it means where two are not apart.
        risk: A third of it is for numbers in common, a third for correlated numbers, a third for magnitudes.
    """
    streams = list({stream.name: stream for pair in pairs for stream in pair}.values())
    place = {stream.name: index for index, stream in enumerate(streams)}
    places = [(place[one.name], place[other.name]) for one, other in pairs]
    rows = [stream.numbers for stream in streams]
    if found := repeats(rows, places, risk / 3):
        fail(f"{_tell_repeats(streams, found)}\n{hint}")
    for aspect in Aspect:
        correlation = strongest_correlation(rows, places, risk / 3, aspect)
        if correlation is not None:
            fail(f"{_tell_correlation(streams, correlation)}\n{hint}")


def assert_no_number_twice(stream: Stream, *, hint: str, risk: float) -> None:
    """A stream does not repeat itself."""
    if found := repeats([stream.numbers], [(0, 0)], risk):
        again = found[0]
        fail(
            f"{again.shared} of the {stream.numbers.size} numbers of {stream.name} had been there before, "
            f"as number {again.start + again.lag} is number {again.start}: {few(stream.numbers[again.start :][:1])}\n"
            f"{hint}"
        )


def assert_seeds_apart(arrays: Mapping[int, Numbers], *, hint: str) -> None:
    """No row of one seed is a row of another. Exact; there is no risk.

    Args:
        arrays: For each seed the rows, shape (workers, samples).
    """
    families = seed_families(arrays)
    if not families:
        return
    shown = [
        f"  row {row} of seed {one.seed} is row {row - one.offset} of seed {one.other_seed}: "
        f"{few(arrays[one.seed][row])}"
        for one in families
        for row in one.rows
    ]
    more = [f"  and {len(shown) - 4} more"] if len(shown) > 4 else []
    fail("\n".join(["Rows come back under another seed:", *shown[:4], *more, hint]))


def tell_numbers(difference: Difference[Any]) -> str:
    """Where two arrays begin to differ: for ``assert_same_over``."""
    one, two = difference.first, difference.second
    a, b = np.asarray(one.value), np.asarray(two.value)
    place = tuple(int(i) for i in np.argwhere((a != b) | (np.signbit(a) != np.signbit(b)))[0])
    what = "row" if a.ndim == 2 else "item"
    moved = "" if sorted(a.tolist()) != sorted(b.tolist()) else f" (the {what}s are the same ones in another order)"
    a, b = (a[place[0]], b[place[0]]) if a.ndim == 2 else (a[place[0] :], b[place[0] :])
    width = max(len(one.condition), len(two.condition))
    return (
        f"The same call gave two results; the first difference is in {what} {place[0]}{moved}.\n"
        f"  {one.condition:{width}}: {few(a)}\n  {two.condition:{width}}: {few(b)}"
    )


def few(numbers: Numbers, start: int = 0) -> str:
    """The first few numbers from a place on, for a message."""
    shown = " ".join(f"{number:.6f}" for number in np.ravel(numbers)[start : start + 3])
    return shown + (" ..." if np.size(numbers) > start + 3 else "")


def _tell_repeats(streams: Sequence[Stream], found: Sequence[Repeat]) -> str:
    one = max(found, key=lambda repeat: repeat.in_line)
    a, b = streams[one.first], streams[one.second]
    width = max(len(a.name), len(b.name))
    signs = {Sign.SAME: "", Sign.NEGATED: ", with the sign turned", Sign.MIXED: ", some with the sign turned"}[one.sign]
    lines = [
        f"{_capital(a.name)} and {b.name} share {one.shared} of {a.numbers.size} numbers{signs}:",
        f"  {a.name:{width}} from number {one.start}: {few(a.numbers, one.start)}",
        f"  {b.name:{width}} from number {one.start + one.lag}: {few(b.numbers, one.start + one.lag)}",
    ]
    others = [other for other in found if other is not one]
    if others:
        named = [f"{streams[other.first].name} and {streams[other.second].name}" for other in others[:2]]
        lines.append(f"So do {len(others)} other pair{'s' * (len(others) > 1)}: {'; '.join(named)}{_more(others)}")
    return "\n".join(lines)


def _more(others: Sequence[Repeat]) -> str:
    return " ..." if len(others) > 2 else "."


def _tell_correlation(streams: Sequence[Stream], found: Correlation) -> str:
    a, b = streams[found.first], streams[found.second]
    i, j = max(0, -found.lag), max(0, found.lag)
    where = f"number {i} of the one beside number {j} of the other, and so on"
    if found.copy:
        return (
            f"Every number of {b.name} is {found.slope:.6g} times one of {a.name}, plus {found.offset:.6g}, up to "
            f"rounding ({where})."
        )
    what = "go together" if found.aspect is Aspect.NUMBERS else "are large and small together, whatever their signs"
    return (
        f"{_capital(a.name)} and {b.name} {what}: a correlation of {found.correlation:.3f} over {found.overlap} numbers "
        f"({where}).\nIndependent streams give as much in fewer than 1 of {_rarity(found.chance)} gradings."
    )


def _rarity(chance: float) -> str:
    exponent = min(99, int(-np.log10(max(chance, 1e-99))))
    return f"10^{exponent}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
