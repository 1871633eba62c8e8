"""The course at a glance: its exercises, what each builds on, and how far a student is. Plain text of any console."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from autograder.records import Exercise, Standing
from autograder.report.looks import number

_INDENT = 3
_HEAD = "What builds on what (each exercise on the one that it stands under):"


def overview(exercises: Sequence[Exercise], standings: Mapping[str, Standing]) -> str:
    """A line for each exercise, with the student's progress where there is any, and below them the map.

    Args:
        exercises: Ordered by number.
        standings: By the names of exercises.
    """
    shown = {name: progress(standing) for name, standing in standings.items()}
    if not any(standing.begun or standing.last_check for standing in standings.values()):
        shown = {}
    lines = (
        f"{exercise.folder_name:<16} {exercise.title:<44} {exercise.minutes:>3} min   {shown.get(exercise.name, '')}"
        for exercise in exercises
    )
    return "\n".join((*map(str.rstrip, lines), "", course_map(exercises)))


def progress(standing: Standing) -> str:
    """How far a student is with one exercise, in some words."""
    last = standing.last_check
    if last is not None:
        later = ", changed since" if standing.changed else ""
        return f"last check: {number(last.score)} of {number(last.points)} points{later}"
    return {None: "", False: "untouched", True: "begun"}[standing.begun]


def course_map(exercises: Sequence[Exercise]) -> str:
    """What each exercise builds on: on the one that it stands under, further to the right, and on those named beside it.

    Args:
        exercises: Ordered by number.
    """
    present = {exercise.name: exercise for exercise in exercises}
    #: What each exercise builds on, as far as it is there, by number.
    before = {
        exercise.name: sorted((present[name] for name in exercise.builds_on if name in present), key=_order)
        for exercise in exercises
    }

    def below(parent: Exercise | None, depth: int) -> Iterator[str]:
        for exercise in exercises:
            earlier = before[exercise.name]
            if (earlier[-1] if earlier else None) is parent:
                yield _line(exercise, depth, earlier[:-1])
                yield from below(exercise, depth + 1)

    hours = sum(exercise.minutes for exercise in exercises) / 60
    return "\n".join((_HEAD, *below(None, 0), f"{'all of it, about':<26}{hours:>6.0f} hours"))


def _line(exercise: Exercise, depth: int, others: Iterable[Exercise]) -> str:
    name = f"{' ' * _INDENT * depth}{exercise.order:02d} {exercise.name}"
    more = " and ".join(f"{other.order:02d}" for other in others)
    return f"{name:<28}{exercise.minutes:>4} min{f'   and on {more}' if more else ''}"


def _order(exercise: Exercise) -> int:
    return exercise.order
