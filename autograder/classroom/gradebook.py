"""nbgrader's gradebook: marks and comments are written through its own API, and the notebooks that formgrader shows.

A submission is written in one transaction: it is in the gradebook as a whole or as it was before, whenever the run
ends. What a person has changed (marks, extra credit, comments) is kept. A check without a verdict gets no mark, but is
marked for a person to grade.

Imports nbgrader: only for those who ask for a gradebook.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook, Student
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import AssignLatePenalties, SaveCells
from nbgrader.utils import parse_utc
from traitlets.config import Config, PyFileConfigLoader

from autograder.catalog.exercises import Course, ExerciseFolder
from autograder.catalog.text import one_line, read_source
from autograder.checks.tasks import Task
from autograder.classroom.database import Database
from autograder.classroom.graded_notebooks import comment_on, graded_notebook
from autograder.classroom.notebooks import grade_ids, master_notebook
from autograder.classroom.release import stub_of
from autograder.errors import UsageError
from autograder.records import Result

_LONGEST_TIME = 100
#: nbgrader's own column: PostgreSQL takes no longer name.
_LONGEST_STUDENT = Student.id.type.length


@dataclass(frozen=True)
class _Assignment:
    """An exercise as nbgrader knows it: an assignment with one notebook."""

    name: str
    notebook: str
    master: Any
    #: What the cell of each check is called.
    ids: dict[str, str]

    @classmethod
    def of(cls, folder: ExerciseFolder, tasks: Iterable[Task]) -> "_Assignment":
        checks = next(task.checks for task in tasks if task.folder == folder)
        return cls(folder.path.name, folder.exercise.name, master_notebook(folder, stub_of(folder)), grade_ids(checks))


class GradebookWriter:
    """Writes results into a gradebook and into the course's ``autograded`` folder."""

    def __init__(self, url: str, course: Course, tasks: Sequence[Task]) -> None:
        """Open the gradebook at `url`, make it if it is not there, and enter the exercises of `tasks`.

        Raises:
            UsageError: It cannot be used, or `tasks` cannot be told apart in it.
            CatalogError: An exercise's source is not as it should be.
        """
        if course.home != "solutions":
            raise UsageError(f"--gradebook needs all checks, and {one_line(course.root)} has no 'solutions'")
        self._course = course
        self._tasks = _by_student(tasks)
        self._written: set[tuple[str, str]] = set()
        self._failed = False
        self._database = Database.at(url)
        #: One line on each thing that a person should know of.
        self.warnings: list[str] = []
        self._times = {key: self._handed_in(task) for key, task in self._tasks.items()}
        folders = {task.folder.exercise.name: task.folder for task in tasks}
        self._assignments = {name: _Assignment.of(folder, tasks) for name, folder in folders.items()}
        config = _configuration(course)
        self._late = _late_penalties(config)
        theirs = _gradebook_of(config, course) if config is not None else None
        if theirs is not None and theirs.place != self._database.place:
            self.warnings.append(
                f"{self._database}: formgrader and nbgrader look at another one, {theirs.shown}; "
                "name that, or say c.CourseDirectory.db_url in nbgrader_config.py"
            )
        with self._database.reported():
            self._database.admit()
            for assignment in self._assignments.values():
                self._enter(assignment)

    def __call__(self, result: Result) -> None:
        """Write `result`. After the first that cannot be written the rest waits for `finish`."""
        if not self._failed:
            self._failed = self._write(result) is not None

    def finish(self, results: Iterable[Result]) -> tuple[str, ...]:
        """Write what is not yet written of `results`. Gives one line for each that cannot be."""
        lines = (self._write(result) for result in results if (result.student, result.exercise) not in self._written)
        return tuple(dict.fromkeys(line for line in lines if line is not None))

    def _write(self, result: Result) -> str | None:
        """Write one submission, or say why it cannot be."""
        try:
            with self._database.reported(), self._database.transaction() as book:
                self._record(book, result)
        except UsageError as error:
            return str(error)
        self._written.add((result.student, result.exercise))
        return None

    def _record(self, book: Gradebook, result: Result) -> None:
        key = result.student, result.exercise
        assignment, submission, time = self._assignments[result.exercise], self._tasks[key].submission, self._times[key]
        book.update_or_create_student(result.student)
        handed_in = book.update_or_create_submission(assignment.name, result.student, timestamp=time)
        where = assignment.notebook, assignment.name, result.student
        for check in result.checks:
            grade = book.find_grade(assignment.ids[check.name], *where)
            mark = check.score if check.outcome.judged else None
            if grade.manual_score is None:
                grade.needs_manual_grade = mark is None
            elif grade.auto_score != mark:
                grade.needs_manual_grade = True  # a person has marked what was another result: look again
            grade.auto_score = mark
        book.find_comment(assignment.notebook, *where).auto_comment = comment_on(result)
        book.db.commit()  # and with it what is computed of the marks is read anew
        notebook = book.find_submission_notebook(*where)
        notebook.late_submission_penalty = None
        if handed_in.total_seconds_late > 0:
            penalty = self._late.late_submission_penalty(result.student, notebook.score, handed_in.total_seconds_late)
            notebook.late_submission_penalty = penalty and min(max(0.0, penalty), notebook.score)
        content = graded_notebook(assignment.master, assignment.ids, submission, result)
        folder = self._course.root / "autograded" / result.student / assignment.name
        _put(folder / f"{assignment.notebook}.ipynb", content)
        if time is not None:
            _put(folder / "timestamp.txt", f"{time} UTC\n".encode())

    def _enter(self, assignment: _Assignment) -> None:
        """Make the assignment and its cells known to the gradebook, as ``nbgrader generate_assignment`` does."""
        with Gradebook(self._database.url) as book:
            book.update_or_create_assignment(assignment.name)
        names = {"notebook": assignment.notebook, "assignment": assignment.name, "db_url": self._database.url}
        try:
            SaveCells().preprocess(assignment.master, {"nbgrader": names})
        except RuntimeError as error:  # cells were added or removed, and there are submissions
            raise UsageError(
                f"{self._database}: the submissions of {assignment.name} in it were graded by other checks ({error}); "
                f"use another gradebook, or remove them: nbgrader db assignment remove {assignment.name} --force"
            ) from None

    def _handed_in(self, task: Task) -> datetime | None:
        """When a submission was handed in, UTC, where nbgrader's ``timestamp.txt`` lies beside it."""
        path = task.submission.path.parent / "timestamp.txt"
        if not os.path.lexists(path):
            return None
        text = read_source(path).text.strip()
        try:
            time = parse_utc(text) if 0 < len(text) <= _LONGEST_TIME else None
        except (ValueError, OverflowError, TypeError):
            time = None
        if not isinstance(time, datetime):
            self.warnings.append(f"{one_line(path)}: there is no time in it, so none goes into the gradebook; mend it")
            return None
        return time


def _by_student(tasks: Sequence[Task]) -> dict[tuple[str, str], Task]:
    """`tasks` by student and exercise, of which a gradebook has one."""
    found: dict[tuple[str, str], Task] = {}
    for task in tasks:
        submission = task.submission
        key = submission.student, submission.exercise
        first = found.setdefault(key, task).submission
        if first is not submission:
            raise UsageError(
                f"{one_line(submission.path)}: a second submission of '{submission.student}' for {submission.exercise}, "
                f"beside {one_line(first.path)}; a gradebook has one of each: grade one of them"
            )
        if len(submission.student) > _LONGEST_STUDENT:
            raise UsageError(
                f"{one_line(submission.path)}: the student's name has more than the {_LONGEST_STUDENT} characters "
                "that a gradebook takes; rename the folder"
            )
    return found


def _configuration(course: Course) -> Config | None:
    """The course's configuration of nbgrader, where it has one."""
    path = course.root / "nbgrader_config.py"
    if not path.is_file():
        return None
    try:
        return PyFileConfigLoader(path.name, str(path.parent)).load_config()
    except Exception as error:  # it is a program
        raise UsageError(f"{one_line(path)}: {type(error).__name__}: {one_line(str(error))}; mend it") from None


def _gradebook_of(config: Config, course: Course) -> Database | None:
    """The gradebook that nbgrader itself uses, when it is started in the course's folder; None where it could use none."""
    directory = CourseDirectory(config=config)
    if "root" not in config.CourseDirectory:
        directory.root = str(course.root)
    try:
        return Database.at(str(directory.db_url))
    except UsageError:
        return None


def _late_penalties(config: Config | None) -> Any:
    """nbgrader's plugin that says what being late costs, as the course's configuration has it."""
    late = AssignLatePenalties(config=config or Config())
    late.init_plugin()
    return late.plugin_inst


def _put(path: Path, content: bytes) -> None:
    """Write a file as a whole: whoever reads it finds the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(content)
    new.replace(path)
