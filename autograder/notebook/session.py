"""What one kernel knows: the work in its exercise cells, and how that was judged."""

import contextlib
import functools
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

from autograder.catalog.check_sources import read_checks
from autograder.catalog.exercises import Course, ExerciseFolder
from autograder.catalog.notebooks import cell_module
from autograder.catalog.submissions import Submission
from autograder.checks.tasks import Task
from autograder.classroom.grading import grade_tasks
from autograder.classroom.progress import ProgressWriter
from autograder.errors import GraderError, SubmissionNotFoundError, UsageError
from autograder.notebook.modules import Modules
from autograder.records import Outcome, Result, Verdict
from autograder.report.looks import verdict_text


@dataclass(frozen=True)
class _Judged:
    """A result, and the work that it is about."""

    work: Submission
    result: Result


class Session:
    """The exercises of one kernel."""

    def __init__(self, start: Path | None = None) -> None:
        #: Where the exercises are looked for; where the notebook is, if not given.
        self._start = start
        self._modules = Modules()
        self._work: dict[str, Submission] = {}
        #: By exercise, and whether the hidden checks were asked for.
        self._judged: dict[tuple[str, bool], _Judged] = {}
        self._latest = ""

    def define(self, name: str, body: str) -> ModuleType:
        """Make the module of exercise `name` from the code of a cell, and import it.

        Raises:
            UsageError: There is no such exercise, or the code is no module's.
        """
        name = self._folder(name).exercise.name
        source = cell_module(name, body)
        self._work[name] = Submission("", name, self._modules.file(name), source.text, source.problem)
        self._latest = name
        if source.problem:
            raise UsageError(f"%%exercise {name}: {source.problem}")
        return self._modules.define(name, source.text)

    def check(self, name: str = "", *, timelines: bool = False) -> Result:
        """Judge the work on exercise `name`, or on the latest one, by the public checks.

        Raises:
            SubmissionNotFoundError: No cell has made the exercise's module.
            UsageError: There is no such exercise.
            GraderError: A fault of the grader.
        """
        if not (name or self._latest):
            raise UsageError("which exercise? Run the cell that begins with %%exercise first, or say %check NAME")
        folder = self._folder(name or self._latest)
        return self._judge(folder, hidden=False, timelines=timelines)

    def verdict(self, name: str, check: str) -> Verdict:
        """How the work on exercise `name` does at one check. What was judged already is not judged again.

        Raises:
            UsageError: As `check` does, and for a check that is not there.
            GraderError: As `check` does.
        """
        folder = self._folder(name)
        hidden = {info.name: info.hidden for info in read_checks(folder.tests)}.get(check)
        if hidden is None:
            raise UsageError(f"{folder.tests}: no check is called '{check}'; get the exercise's files anew")
        work = self._work_on(folder)
        known = self._judged.get((work.exercise, hidden))
        result = known.result if known and known.work == work else self._judge(folder, hidden=hidden)
        return next(verdict for verdict in result.checks if verdict.name == check)

    def _judge(self, folder: ExerciseFolder, *, hidden: bool, timelines: bool = False) -> Result:
        work = self._work_on(folder)
        chosen = [check.name for check in read_checks(folder.tests) if check.hidden is hidden]
        # A cell that writes to standard error gets no points from nbgrader.
        with contextlib.redirect_stderr(sys.stdout):
            graded = grade_tasks([Task.of(work, folder, chosen)], trusted=True, timelines=timelines)
        if not graded.complete:
            raise KeyboardInterrupt
        (result,) = graded.report.results
        if not graded.faulty:
            self._judged[work.exercise, hidden] = _Judged(work, result)
            if not hidden:
                self._keep(work, result)
        return result

    def _keep(self, work: Submission, result: Result) -> None:
        """Keep the score for `autograder list`, where the notebook is the exercise's own, which a kernel runs beside."""
        here = (self._start or Path()).resolve()
        notebook = here / f"{work.exercise}.ipynb"
        if not notebook.is_file():
            return
        with contextlib.suppress(UsageError):  # an exercise's folder alone has no list
            keep = ProgressWriter(Course.find(here), {(result.exercise, result.path): replace(work, path=notebook)})
            keep(result)
            for warning in keep.warnings:
                print(warning)

    def _work_on(self, folder: ExerciseFolder) -> Submission:
        name = folder.exercise.name
        if name not in self._work:
            raise SubmissionNotFoundError(
                f"no cell that begins with '%%exercise {name}' was run in this notebook; run it first"
            )
        return self._work[name]

    def _folder(self, name: str) -> ExerciseFolder:
        """The exercise in the course around the notebook, or else the one that the notebook lies in."""
        here = (self._start or Path()).resolve()
        try:
            course = Course.find(here)
        except UsageError:
            if not (here / "exercise.toml").is_file():
                raise
            folder = ExerciseFolder.load(here)
            if name not in (folder.exercise.name, here.name):
                raise UsageError(f"the exercise here is '{folder.exercise.name}', not '{name}'") from None
            return folder
        return course.get(name)


@functools.cache
def current() -> Session:
    """The session of this kernel."""
    return Session()


def grade(exercise: str, check: str) -> float:
    """What a grade cell ends with: the points for one check of the work in this notebook. Its message is printed.

    Raises:
        UsageError: There is no such exercise or check.
        GraderError: A fault of the grader: the cell has an error then, and should be run again.
    """
    try:
        verdict = current().verdict(exercise, check)
    except SubmissionNotFoundError as error:
        print(error)
        return 0.0
    if verdict.outcome is Outcome.ERROR:
        raise GraderError(f"{check}: a fault of the grader, not of your work: {verdict.message}")
    print(verdict_text(verdict))
    return float(verdict.score)
