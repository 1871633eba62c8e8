"""A student's progress: which work differs from what was released, and what the last ``autograder check`` saw.

The last check of an exercise is a small file of its own in the course folder, ``.autograder/progress/NAME.json``, so
that two checks at the same time cannot lose each other's. Git ignores the folder. Imports nothing that starts slowly.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from autograder.catalog.exercises import Course, ExerciseFolder
from autograder.catalog.notebooks import fingerprint, read_notebook
from autograder.catalog.submissions import Submission
from autograder.catalog.text import one_line, read_source
from autograder.records import PROGRESS_VERSION, LastCheck, Outcome, Result, Standing

#: Bytes of the largest file that can be one of ours.
_LARGEST = 10_000


def standings(course: Course) -> tuple[dict[str, Standing], tuple[str, ...]]:
    """By name how far the student is with each exercise of ``assignments/``, and a warning for each file not understood.

    Raises:
        CatalogError: An exercise is not as it should be.
    """
    found: dict[str, Standing] = {}
    warnings: list[str] = []
    if course.folders("assignments"):
        for folder in course.exercises("assignments"):
            try:
                last = _read(_place(course, folder.exercise.name))
            except ValueError as error:
                warnings.append(str(error))
                last = None
            found[folder.exercise.name] = _standing(folder, last)
    return found, tuple(warnings)


@dataclass
class ProgressWriter:
    """Keeps what a check saw of the student's own work, result by result."""

    course: Course
    #: What is being checked, by exercise and path, as results name them.
    works: Mapping[tuple[str, str], Submission]
    #: One line for each result that could not be kept.
    warnings: list[str] = field(default_factory=list)

    def __call__(self, result: Result) -> None:
        """Keep `result`, if it is about the student's own file, and the grader did not fail."""
        work = self.works[result.exercise, result.path]
        home = self.course.folders("assignments").get(result.exercise)
        own = home is not None and work.path.parent.resolve() == home.resolve() and work.path.stem == result.exercise
        if not own or work.problem or any(check.outcome is Outcome.ERROR for check in result.checks):
            return
        last = LastCheck(score=result.score, points=result.points, work=fingerprint(work.source))
        try:
            _write(_place(self.course, result.exercise), last)
        except OSError as error:
            folder = one_line(_place(self.course, result.exercise).parent)
            self.warnings.append(f"{folder}: the progress is not kept: {error.strerror or error}")


def _place(course: Course, exercise: str) -> Path:
    return course.root / ".autograder" / "progress" / f"{exercise}.json"


def _standing(folder: ExerciseFolder, last: LastCheck | None) -> Standing:
    file, notebook = folder.reference, folder.reference.with_suffix(".ipynb")
    sources = [read_source(file)] if file.exists() else []
    if notebook.exists():
        sources.append(read_notebook(notebook, folder.exercise.name))
    works = {fingerprint(source.text) for source in sources}  # one that cannot be read is not as it was, either
    released = folder.exercise.released
    return Standing(
        begun=bool(works - {released}) if released else None,
        last_check=last,
        changed=last is not None and last.work not in works,
    )


def _read(path: Path) -> LastCheck | None:
    """The last check that is kept in `path`; None where there is none.

    Raises:
        ValueError: It cannot be read or understood. The text is a warning of one line.
    """
    try:
        with path.open("rb") as stream:
            last = msgspec.json.decode(stream.read(_LARGEST), type=LastCheck)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ValueError(f"{one_line(path)}: ignored: it cannot be read: {error.strerror or error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(
            f"{one_line(path)}: ignored: it is not what 'autograder check' wrote ({one_line(str(error))}); check again"
        ) from None
    if last.version != PROGRESS_VERSION:
        raise ValueError(f"{one_line(path)}: ignored: written by another version of autograder; check again")
    return last


def _write(path: Path, last: LastCheck) -> None:
    """Write a file as a whole: whoever reads it finds the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ignore = path.parent.parent / ".gitignore"
    if not ignore.exists():
        ignore.write_text("# Made by autograder check.\n*\n")
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        new.write_bytes(msgspec.json.encode(last) + b"\n")
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
