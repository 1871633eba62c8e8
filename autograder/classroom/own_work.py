"""A student's own work: which files ``autograder check`` looks at, and by which checks."""

from collections.abc import Iterable
from pathlib import Path

from autograder.catalog.check_sources import read_checks
from autograder.catalog.exercises import Course, ExerciseFolder, Where
from autograder.catalog.submissions import Submission, find_submissions
from autograder.catalog.text import read_source
from autograder.checks.tasks import Task


def own_tasks(targets: Iterable[str], start: Path | None = None) -> tuple[tuple[Task, ...], tuple[str, ...]]:
    """Tasks for ``targets``, by the public checks, and warnings.

    Args:
        targets: Names of exercises (their file in assignments/) or paths; nothing means the exercise whose folder
            one is in, or all of them.
        start: Where to look for the course.

    Raises:
        UsageError: A target is neither an exercise nor a path with something to check.
    """
    course = Course.find(start)
    tasks: list[Task] = []
    warnings: list[str] = []
    for target in tuple(targets) or _here(course):
        if Path(target).exists():
            found, more = find_submissions([Path(target)], course)
            warnings += more
            tasks += [_task(submission, _public(course, submission.exercise)) for submission in found]
        else:
            folder = _public(course, target)
            source = read_source(folder.reference)
            submission = Submission("", folder.exercise.name, folder.reference, source.text, source.problem)
            tasks.append(_task(submission, folder))
    return tuple(tasks), tuple(warnings)


def _here(course: Course) -> tuple[str, ...]:
    here = Path.cwd().name
    known = course.folders(_where(course))
    own = tuple(name for name, path in known.items() if path.name == here)
    return own or tuple(known)


def _where(course: Course) -> Where:
    return "assignments" if course.folders("assignments") else "solutions"


def _public(course: Course, name: str) -> ExerciseFolder:
    return course.get(name, _where(course))


def _task(submission: Submission, folder: ExerciseFolder) -> Task:
    return Task.of(submission, folder, [check.name for check in read_checks(folder.tests) if not check.hidden])
