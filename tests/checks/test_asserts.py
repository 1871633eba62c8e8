"""What checks say with: each helper fails where it should, never where it should not, and in words for a student."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.checks import assert_clean, assert_close, expect_type, fail, fingerprint, inconclusive, shorten
from autograder.checks.asserts import CannotMeasureError, CheckFailedError, InconclusiveError, cannot_measure
from autograder.measure.observation import Observation
from autograder.sandbox.call import Leftovers

FINITE = st.floats(allow_nan=False, allow_infinity=False, width=32)


def _failure(function: Any, *arguments: object, **named: object) -> str:
    with pytest.raises(CheckFailedError) as caught:
        function(*arguments, **named)
    return str(caught.value)


def test_the_three_endings() -> None:
    """Each of the three ways to end a check raises its own kind, with the text as it is."""
    for function, kind in (
        (fail, CheckFailedError),
        (inconclusive, InconclusiveError),
        (cannot_measure, CannotMeasureError),
    ):
        with pytest.raises(kind, match=r"^So\.$"):
            function("So.")
    assert issubclass(CheckFailedError, AssertionError), "it is a failed check, not a fault of the grader"


# -- expect_type ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (3, int),
        ([(1, "a"), (2, "b")], list[tuple[int, str]]),
        ({"a": [0.5]}, dict[str, list[float]]),
        (None, int | None),
        ([], list[int]),
    ],
)
def test_the_right_type_is_passed_on(value: object, kind: Any) -> None:
    """A value of the type that is expected comes back as it is."""
    assert value == expect_type(value, kind, "something")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("3", int),
        (True, int),
        (3.0, int),
        (None, int),
        ([1, "a"], list[int]),
        ([(1, 2, 3)], list[tuple[int, int]]),
        ({"a": 1}, list[str]),
        ([[[1]]], list[int]),
        (np.arange(3), list[int]),
        (1j, float),
    ],
    ids=repr,
)
def test_the_wrong_type_fails_kindly(value: object, kind: Any) -> None:
    """A value of another type fails, and the text says in the student's words what was expected and what was found."""
    text = _failure(expect_type, value, kind, "a list of (rank, pid)")
    assert text.startswith(f"Expected a list of (rank, pid), but the answer was {shorten(value)} (")


def test_a_huge_answer_makes_a_short_text() -> None:
    """What is shown of an answer fits in a few lines, however large it is."""
    assert len(_failure(expect_type, ["x" * 10**6], int, "a number")) < 400


# -- assert_clean -----------------------------------------------------------------------------------------


def _observation(**left: tuple[str, ...]) -> Observation:
    return Observation(None, 0.0, 0.0, 0.0, 0.0, True, 2, (), 0, 0, Leftovers(**left), "", "", 0)


def test_clean_is_silent() -> None:
    """Nothing left, nothing said."""
    assert_clean(_observation())


@pytest.mark.parametrize(
    ("left", "told"),
    [
        ({"processes": ("process 7",)}, "1 process that had not ended"),
        ({"processes": ("process 7", "process 9")}, "2 processes that had not ended"),
        ({"threads": ("2 thread(s)",)}, "2 thread(s) of the calling process still running"),
        ({"segments": ("psm_1",)}, "1 segment of shared memory (psm_1)"),
        ({"files": tuple(f"file{n}" for n in range(9))}, "9 temporary files (file0, file1, file2, file3, file4)"),
    ],
)
def test_each_kind_of_leftover_is_named(left: dict[str, tuple[str, ...]], told: str) -> None:
    """Whatever is left is counted and named; of many the first few."""
    assert told in _failure(assert_clean, _observation(**left))


# -- assert_close -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ([1.0, 2.0], [1.0, 2.0 + 1e-7]),
        (np.zeros((2, 3)), np.full((2, 3), 1e-7)),
        (3, 3),
        ([], []),
        (np.float32(1.0), 1.0),
        ([1 + 2j], [1 + 2j]),
        ([1.0], np.array([1 + 0j])),
        ([1, 0], [True, False]),
    ],
)
def test_what_is_close_passes(expected: object, actual: object) -> None:
    """Numbers within the tolerance pass, of whatever kind they are."""
    assert_close(expected, actual, atol=1e-6)


@pytest.mark.parametrize(
    ("expected", "actual", "told"),
    [
        ([1.0, 2.0], [1.0, 2.1], "The weights differs at [1]: expected 2, found 2.1"),
        (2.0, 2.1, "The weights differs: expected 2, found 2.1"),
        ([1.0], [math.nan], "found nan"),
        ([math.nan], [math.nan], "expected nan, found nan"),
        ([1.0], [math.inf], "found inf"),
        ([math.inf], [math.inf], "expected inf, found inf"),
        ([1.0], [complex(1, math.nan)], "found 1+nanj"),
        ([1.0], [1 + 1j], "found 1+1j"),
        ([1 + 1j], [1.0], "expected 1+1j, found 1+0j"),
        ([1, 1], [True, False], "differs at [1]"),
        ([2**60], [2**60 + 2**20], "differs"),
        (np.zeros(3), np.zeros(4), "in the shape (3,), but found (4,)"),
        (np.zeros((3, 1)), np.zeros(3), "in the shape (3, 1), but found (3,)"),
        (np.zeros(3), 0.0, "in the shape (3,), but found ()"),
        (np.zeros(0), np.zeros(1), "in the shape (0,), but found (1,)"),
        ([1.0], None, "Expected numbers for the weights, but found None"),
        ([1.0], ["1.0"], "Expected numbers"),
        ([1.0], [[1.0], [1.0, 2.0]], "Expected numbers"),
        ([1.0], {"a": 1.0}, "Expected numbers"),
        ([1.0], [None], "Expected numbers"),
        ([1.0], [10**400], "Expected numbers"),
    ],
    ids=repr,
)
def test_what_is_not_close_fails(expected: object, actual: object, told: str) -> None:
    """Other numbers, another shape, not-a-number, infinity and no numbers at all: each fails, and says where and how."""
    assert told in _failure(assert_close, expected, actual, atol=1e-6, what="the weights")


@given(st.lists(FINITE, min_size=1, max_size=5), st.floats(1e-6, 1e3), st.floats(0.0, 1.0), st.integers(0, 4))
def test_the_tolerance_is_the_one_that_was_asked_for(values: list[float], atol: float, rtol: float, at: int) -> None:
    """Half of what is allowed passes, and twice of it fails."""
    at %= len(values)
    allowed = atol + rtol * abs(values[at])
    near, far = list(values), list(values)
    near[at] += allowed / 2
    far[at] += 2 * allowed + abs(values[at]) * 1e-12
    assert_close(values, near, atol=atol, rtol=rtol)
    assert "differs" in _failure(assert_close, values, far, atol=atol, rtol=rtol)


def test_nothing_is_written_into_what_is_compared() -> None:
    """Comparing leaves both sides as they are."""
    left, right = np.arange(3), np.arange(3.0)
    assert_close(left, right, atol=0.0)
    assert (["i", "f"], [0, 1, 2]) == ([left.dtype.kind, right.dtype.kind], left.tolist())


# -- fingerprint ------------------------------------------------------------------------------------------

DIFFERENT = [
    0,
    0.0,
    -0.0,
    False,
    None,
    "",
    b"",
    [],
    (),
    {},
    1,
    1.0,
    "1",
    b"1",
    [1],
    (1,),
    [[1]],
    [1, 1],
    {1: 1},
    {"1": 1},
    1j,
    "a, b",
    ["a", "b"],
    ["a, b"],
    ["ab", ""],
    ["a", "b", ""],
    math.nan,
    math.inf,
    np.zeros(2),
    np.zeros(2, dtype=np.float32),
    np.zeros((1, 2)),
    np.zeros(2, dtype=int),
    np.array([0.0, -0.0]),
    [0.0, 0.0],
    math.nextafter(1.0, 2.0),
]


def test_different_values_have_different_fingerprints() -> None:
    """Type, sign of zero, the last bit, nesting, dtype and shape: each makes another fingerprint."""
    digests = [fingerprint(value) for value in DIFFERENT]
    assert len(DIFFERENT) == len(set(digests)), [value for value in DIFFERENT if digests.count(fingerprint(value)) > 1]


def test_equal_values_have_equal_fingerprints() -> None:
    """Made anew, each has the same, also in another memory layout."""
    import copy

    assert [fingerprint(value) for value in DIFFERENT] == [fingerprint(copy.deepcopy(value)) for value in DIFFERENT]
    square = np.arange(9.0).reshape(3, 3)
    assert fingerprint(square.T) == fingerprint(square.T.copy())


def test_fingerprints_are_the_same_in_every_process() -> None:
    """A fingerprint does not depend on the process: it can be written down."""
    assert "f9f90265c94c2c61b5fd27dc" == fingerprint([1, "a", 0.5, (None, {"k": b"v"})])


# -- shorten ----------------------------------------------------------------------------------------------


def _deep() -> object:
    value: object = 1
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([1, 2], "[1, 2]"),
        ("a\nb", "'a\\nb'"),
        ("x" * 200, f"'{'x' * 115} ..."),
        (np.arange(4).reshape(2, 2), "array([[0, 1], [2, 3]])"),
        (_deep(), "a very deeply nested list"),
    ],
    ids=["short", "newline", "long", "array", "deep"],
)
def test_a_value_is_shown_on_one_line(value: object, text: str) -> None:
    """However long, many-lined or deep a value is, what is shown is one short line."""
    assert text == shorten(value)
