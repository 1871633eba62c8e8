"""The map of a course, and a student's place on it."""

import pytest

from autograder.records import Exercise, LastCheck, Standing
from autograder.report.course_map import course_map, overview


def _exercise(order: int, name: str, *builds_on: str, minutes: int = 30) -> Exercise:
    hints = ("Which?",)
    return Exercise(
        name=name,
        order=order,
        title=name.title(),
        summary="s",
        minutes=minutes,
        hints=hints,
        offers=("f",),
        builds_on=builds_on,
    )


DIAMOND = (
    _exercise(1, "a"),
    _exercise(2, "b", "a"),
    _exercise(3, "c", "a", minutes=120),
    _exercise(4, "d", "c", "b", "a"),
    _exercise(5, "e"),
)
CHECKED = LastCheck(score=2.5, points=4, work="0")


def test_an_exercise_stands_under_the_latest_that_it_builds_on() -> None:
    """Each one once, with the others that it builds on beside it, and the time of all."""
    assert [
        "01 a                          30 min",
        "   02 b                       30 min",
        "   03 c                      120 min",
        "      04 d                    30 min   and on 01 and 02",
        "05 e                          30 min",
        "all of it, about               4 hours",
    ] == course_map(DIAMOND).splitlines()[1:]


def test_what_was_not_given_out_is_not_on_the_map() -> None:
    """An exercise whose predecessors are not there stands where it can be begun."""
    lines = course_map((_exercise(3, "c", "a"), _exercise(4, "d", "b", "c"))).splitlines()[1:-1]
    assert [["03", "c", "30", "min"], ["04", "d", "30", "min"]] == [line.split() for line in lines]
    assert [0, 3] == [len(line) - len(line.lstrip()) for line in lines]


@pytest.mark.parametrize(
    ("standing", "shown"),
    [
        (Standing(begun=False), "untouched"),
        (Standing(begun=True), "begun"),
        (Standing(), ""),
        (Standing(begun=True, last_check=CHECKED), "last check: 2.5 of 4 points"),
        (Standing(begun=True, last_check=CHECKED, changed=True), "last check: 2.5 of 4 points, changed since"),
    ],
)
def test_progress_is_said_in_words(standing: Standing, shown: str) -> None:
    """Each standing has words of its own, at the end of the exercise's line."""
    first, second, *_ = overview(DIAMOND, {"a": standing, "b": Standing(begun=True)}).splitlines()
    assert (f"30 min   {shown}".rstrip(), True) == (first[first.index("30 min") :], second.endswith("   begun"))


def test_nothing_is_said_of_progress_before_there_is_any() -> None:
    """A course as it was given out is listed without it."""
    assert overview(DIAMOND, {}) == overview(DIAMOND, {"a": Standing(begun=False), "b": Standing()})
