"""A student's own work: which files ``autograder check`` looks at, and by which checks."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from autograder.catalog.check_sources import read_checks
from autograder.catalog.exercises import Course, ExerciseFolder, Where
from autograder.catalog.submissions import Submission, find_submissions
from autograder.catalog.text import read_source
from autograder.checks.tasks import Task
from autograder.errors import UsageError
from autograder.records import Device


def own_tasks(
    targets: Iterable[str], start: Path | None = None, device: Device = Device.CPU
) -> tuple[tuple[Task, ...], tuple[str, ...]]:
    """Tasks for ``targets``, by the public checks, and warnings.

    Args:
        targets: Names of exercises (their file in assignments/) or paths; nothing means the exercise whose folder
            one is in, or all of them.
        start: Where to look for the course.
        device: Where tensors are to be; exercises that were not asked for by name are left out where they do not offer it.

    Raises:
        UsageError: A target is neither an exercise nor a path with something to check, or not for this device.
    """
    course, targets = Course.find(start), tuple(targets)
    tasks: list[Task] = []
    warnings: list[str] = []
    for target in targets or _here(course):
        if Path(target).exists():
            found, more = find_submissions([Path(target)], course)
            warnings += more
            tasks += [_task(submission, _public(course, submission.exercise)) for submission in found]
        else:
            folder = _public(course, target)
            source = read_source(folder.reference)
            submission = Submission("", folder.exercise.name, folder.reference, source.text, source.problem)
            tasks.append(_task(submission, folder))
    if device is not Device.CPU:
        chosen = {task.submission.exercise for task in tasks}
        tasks = _on(device, tasks, course)
        left_out = chosen - {task.submission.exercise for task in tasks}
        warnings += [f"{name}: not checked, it has nothing to do on {device}" for name in sorted(left_out) if targets]
    return tuple(tasks), tuple(warnings)


def _on(device: Device, tasks: list[Task], course: Course) -> list[Task]:
    able = [task for task in tasks if device in task.folder.exercise.devices]
    if not able:
        offer = [
            folder.exercise.name for folder in course.exercises(_where(course)) if device in folder.exercise.devices
        ]
        raise UsageError(
            f"--device {device}: {', '.join(sorted({task.submission.exercise for task in tasks})) or 'nothing here'} "
            f"has no tensors that could be there; choose from {', '.join(offer) or 'none: no exercise has'}"
        )
    return [replace(task, folder=replace(task.folder, exercise=task.folder.exercise.on(device))) for task in able]


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
