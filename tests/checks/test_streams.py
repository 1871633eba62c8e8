"""What students read when their streams are not apart, and what exercise 04 may risk."""

import dataclasses
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from autograder.checks import Run, assert_same_over, streams
from autograder.checks.asserts import CheckFailedError

CHECKS = Path(__file__).resolve().parents[2] / "solutions" / "04_seeding" / "test_seeding.py"
RISK = 1e-6


def drawn(seed: int, rows: int = 2, length: int = 500) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, length))


def pair_of(rows: np.ndarray) -> list[tuple[streams.Stream, streams.Stream]]:
    return [(streams.Stream("row 0 of draw", rows[0]), streams.Stream("row 1 of draw", rows[1]))]


def said(rows: np.ndarray) -> str:
    """What a student reads of two rows."""
    with pytest.raises(CheckFailedError) as failed:
        streams.assert_apart(pair_of(rows), hint="Think.", risk=RISK)
    return str(failed.value)


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The checks of exercise 04, as a module."""
    spec = importlib.util.spec_from_file_location("checks_of_seeding", CHECKS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


def test_the_risks_of_exercise_04_add_up_to_1_in_100000(checks: ModuleType) -> None:
    """What its checks may fail a right solution by chance is shared out, and each share is used."""
    risks = dataclasses.asdict(checks.RISKS)
    assert sum(risks.values()) <= 1e-5 * (1 + 1e-9)
    text = CHECKS.read_text()
    assert ["loader"] == [name for name in risks if f"RISKS.{name}" not in text], "the loader's bound is zero"


def test_streams_that_are_apart_pass() -> None:
    """Independent rows."""
    streams.assert_apart(pair_of(drawn(1)), hint="Think.", risk=RISK)
    streams.assert_no_number_twice(streams.Stream("noise", drawn(1)[0]), hint="Think.", risk=RISK)
    streams.assert_standard_normal(drawn(1), "draw", risk=RISK)
    streams.assert_seeds_apart({1: drawn(1), 2: drawn(2)}, hint="Think.")


def test_a_shifted_part_is_shown_at_both_places() -> None:
    """How many numbers, from where in the one and from where in the other."""
    rows = drawn(1)
    rows[1][:498] = -rows[0][2:]
    assert (
        "Row 0 of draw and row 1 of draw share 498 of 500 numbers, with the sign turned:\n"
        f"  row 0 of draw from number 2: {streams.few(rows[0], 2)}\n"
        f"  row 1 of draw from number 0: {streams.few(rows[1])}\n"
        "Think."
    ) == said(rows)


def test_more_pairs_are_counted() -> None:
    """One pair is shown, the others are named."""
    rows = [streams.Stream(f"row {rank}", drawn(1)[0]) for rank in range(3)]
    with pytest.raises(CheckFailedError, match=r"So do 2 other pairs: row 0 and row 2; row 1 and row 2\.\nThink"):
        streams.assert_apart([(rows[0], rows[1]), (rows[0], rows[2]), (rows[1], rows[2])], hint="Think.", risk=RISK)


def test_a_correlation_is_shown_with_its_rarity() -> None:
    """Which rows, how strongly, at which places, and how rarely chance does it."""
    rows = drawn(1, length=4000)
    rows[1][5:] = 0.3 * rows[0][:-5] + np.sqrt(1 - 0.09) * rows[1][5:]
    text = said(rows)
    assert "Row 0 of draw and row 1 of draw go together: a correlation of 0.286" in text
    assert "number 0 of the one beside number 5 of the other" in text
    assert "fewer than 1 of 10^" in text


def test_a_copy_is_told_as_one() -> None:
    """Its factor and what was added."""
    rows = drawn(1)
    rows[1] = 2 * rows[0] + 1
    assert "Every number of row 1 of draw is 2 times one of row 0 of draw, plus 1, up to rounding" in said(rows)


def test_rows_under_two_seeds_are_listed() -> None:
    """Which row of which seed is which row of the other."""
    arrays = {seed: np.stack([drawn(seed + rank)[0] for rank in range(5)]) for seed in (3, 4)}
    with pytest.raises(CheckFailedError) as failed:
        streams.assert_seeds_apart(arrays, hint="Think.")
    lines = str(failed.value).splitlines()
    assert [
        "Rows come back under another seed:",
        f"  row 1 of seed 3 is row 0 of seed 4: {streams.few(drawn(4)[0])}",
    ] == (lines[:2])


def test_a_number_that_comes_back_is_shown() -> None:
    """In one stream."""
    numbers = drawn(1)[0]
    numbers[-50:] = numbers[:50]
    with pytest.raises(CheckFailedError, match="50 of the 500 numbers of noise had been there before, as number 450"):
        streams.assert_no_number_twice(streams.Stream("noise", numbers), hint="Think.", risk=RISK)


@pytest.mark.parametrize(
    ("numbers", "told"), [(drawn(1) + 1, "mean 0.9457"), (np.sign(drawn(1)), "not the normal one")]
)
def test_numbers_of_another_distribution_are_described(numbers: np.ndarray, told: str) -> None:
    """Mean, deviation, range, and what is wrong."""
    with pytest.raises(CheckFailedError, match=told):
        streams.assert_standard_normal(numbers, "draw", risk=RISK)


def same_over(*values: np.ndarray, other: np.ndarray) -> str:
    """What a student reads of one call under several conditions, if anything."""
    runs = [Run(f"{count} workers", value) for count, value in enumerate(values, 1)]
    try:
        assert_same_over(runs, other=other, blind="Blind.", hint="Think.", tell=streams.tell_numbers)
    except CheckFailedError as failed:
        return str(failed)
    return ""


def test_equality_proves_something_only_where_seeds_differ() -> None:
    """One result under all conditions passes, unless another seed gives it too."""
    plain, other = drawn(1)[0], drawn(2)[0]
    assert "" == same_over(plain, plain.copy(), other=other)
    assert "Blind." == same_over(plain, plain.copy(), other=plain)


def test_the_first_difference_is_shown() -> None:
    """Between which conditions, and where; and whether only the order is another."""
    plain, other = drawn(1), drawn(2)
    changed = plain.copy()
    changed[1, 7] += 1
    assert (
        "The same call gave two results; the first difference is in row 1.\n"
        f"  1 workers: {streams.few(plain[1])}\n  3 workers: {streams.few(changed[1])}\nThink."
    ) == same_over(plain, plain, changed, other=other)
    assert "row 0 (the rows are the same ones in another order)" in same_over(plain, plain[::-1], other=other)
    assert "item 0 (the items are the same ones in another order)" in same_over(
        plain[0], plain[0][::-1], other=other[0]
    )


def test_what_is_no_array_is_shown_too() -> None:
    """Any plain data, shortened."""
    with pytest.raises(CheckFailedError, match=r"  fork : \[1, 2\]\n  spawn: \[2, 1\]\nThink"):
        assert_same_over([Run("fork", [1, 2]), Run("spawn", [2, 1])], other=[3], blind="Blind.", hint="Think.")
