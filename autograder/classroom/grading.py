"""Grades submissions: from paths to a report, with a journal that lets a stopped run go on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import msgspec

from autograder import __version__
from autograder.catalog.exercises import Course, ExerciseFolder
from autograder.catalog.submissions import Submission
from autograder.checks.engine import OnVerdict
from autograder.checks.tasks import Sandboxes, Task
from autograder.classroom.side_by_side import grade_jobs
from autograder.errors import SandboxError, UsageError
from autograder.measure.calibration import Calibration, calibrate
from autograder.measure.machine import describe
from autograder.records import Kind, Outcome, Report, Result
from autograder.sandbox import Isolation


@dataclass(frozen=True, slots=True)
class Graded:
    """What a run of the grader found, and whether it came to its end."""

    report: Report
    complete: bool
    #: How many of the results are an earlier run's.
    kept: int = 0

    @property
    def faulty(self) -> bool:
        """Whether the grader failed somewhere: those marks are not to be used."""
        checks = (check for result in self.report.results for check in result.checks)
        return any(check.outcome is Outcome.ERROR for check in checks)

    @property
    def percent(self) -> float:
        """Points reached, of those that could be."""
        points = sum(result.points for result in self.report.results)
        return 100 * sum(result.score for result in self.report.results) / points if points else 100.0


class Journal:
    """Results as they are found, a line each, so that a run that was stopped goes on where it stopped.

    A line counts only for the same submission judged by the same checks: its key is a digest of both.
    """

    def __init__(self, path: Path, timelines: bool = False) -> None:
        self._path = path
        #: A result without timelines is no answer where they are wanted.
        self._timelines = timelines
        self._known: dict[str, Result] = {}
        try:
            text = path.read_bytes()
        except OSError:
            text = b""
        #: A line that was cut off when a run was stopped: the next one begins anew.
        self._torn = bool(text) and not text.endswith(b"\n")
        for line in text.splitlines():
            try:
                key, result = msgspec.json.decode(line, type=tuple[str, Result])
            except msgspec.MsgspecError:
                continue  # cut off in the middle of a line when it was stopped
            self._known[key] = result

    def find(self, task: Task) -> Result | None:
        """The result that an earlier run found for this very task."""
        return self._known.get(self._key(task))

    def add(self, task: Task, result: Result) -> None:
        """Keep ``result``."""
        line = msgspec.json.encode((self._key(task), result))
        with self._path.open("ab") as stream:
            stream.write((b"\n" if self._torn else b"") + line + b"\n")
        self._torn = False

    def remove(self) -> None:
        """The run is complete: the journal has done its work."""
        self._path.unlink(missing_ok=True)

    def _key(self, task: Task) -> str:
        digest = blake2b(f"{__version__} {self._timelines}".encode(), digest_size=16)
        submission = task.submission
        for text in (submission.student, str(submission.path.absolute()), submission.source, submission.problem):
            digest.update(text.encode() + b"\0")
        folder = task.folder
        for path in (folder.tests, folder.driver, folder.yardstick, folder.path / "exercise.toml"):
            digest.update(path.read_bytes() if path is not None else b"")
        return digest.hexdigest()


def make_tasks(submissions: Sequence[Submission], course: Course) -> tuple[Task, ...]:
    """A task for each submission, by all checks of its exercise."""
    folders: dict[str, ExerciseFolder] = {}
    for submission in submissions:
        if submission.exercise not in folders:
            folders[submission.exercise] = course.get(submission.exercise)
    return tuple(Task.of(submission, folders[submission.exercise]) for submission in submissions)


def grade_tasks(
    tasks: Sequence[Task],
    *,
    forced: Isolation | None = None,
    trusted: bool = False,
    journal: Journal | None = None,
    on_result: Callable[[Result], None] | None = None,
    on_verdict: OnVerdict | None = None,
    timelines: bool = False,
    jobs: int = 1,
) -> Graded:
    """Judge ``tasks``. Stopped by Ctrl-C it gives what was judged up to then.

    Args:
        tasks: What to judge.
        forced: The isolation level to use; the strongest that this machine has, where it is not given.
        trusted: Whether the submissions may run at a level that does not hold strangers.
        journal: Where results are kept as they are found, and looked for first.
        on_result: Told of each submission.
        on_verdict: Told of each check, where one submission is judged after the other.
        timelines: Whether the verdicts say what ran when, which costs time.
        jobs: How many submissions are judged at the same time.

    Raises:
        UsageError: Only the weakest level is to be had here, and the submissions are not trusted.
        GraderError: A fault of ours.
    """
    results: dict[int, Result] = {}
    if journal is not None:
        results = {index: found for index, task in enumerate(tasks) if (found := journal.find(task)) is not None}
    kept = len(results)
    left = [index for index in range(len(tasks)) if index not in results]

    def keep(place: int, result: Result) -> None:
        index = left[place]
        results[index] = result
        if journal is not None and all(check.outcome is not Outcome.ERROR for check in result.checks):
            journal.add(tasks[index], result)
        if on_result is not None:
            on_result(result)

    complete = True
    isolation = "none"
    with Sandboxes(forced) as sandboxes:
        if left:
            isolation = _admit(sandboxes, tasks[left[0]], trusted)
        machine = describe(isolation, _calibration(sandboxes, [tasks[index] for index in left]))
        wanted = [tasks[index] for index in left]
        try:
            grade_jobs(wanted, sandboxes, jobs, keep, on_verdict, timelines=timelines)
        except KeyboardInterrupt:
            complete = False
    report = Report(autograder=__version__, machine=machine, results=tuple(results[index] for index in sorted(results)))
    return Graded(report, complete, kept)


def _calibration(sandboxes: Sandboxes, tasks: Sequence[Task]) -> Calibration | None:
    """What known work shows of the machine, where speedups are to be judged."""
    timed = (task for task in tasks if any(check.kind is Kind.SPEEDUP for check in task.checks))
    task = next(timed, None)
    if task is None:
        return None
    try:
        return calibrate(sandboxes.of(task.folder.exercise))
    except SandboxError:
        return None  # the checks meet it again, and say so


def _admit(sandboxes: Sandboxes, task: Task, trusted: bool) -> str:
    sandbox = sandboxes.of(task.folder.exercise)
    level = Isolation(sandbox.isolation)
    if not trusted and not level.holds_strangers:
        refusals = "; ".join(getattr(sandbox, "refusals", ())) or "this system has no other"
        if sandboxes.forced is not None:
            raise UsageError(
                f"--isolation {level} does not hold code of strangers; leave it out, or say --trust-submissions"
            )
        raise UsageError(
            f"only the isolation level '{level}' can be had here ({refusals}), which does not hold code of strangers; "
            "grade on Linux with user namespaces or Landlock, or say --trust-submissions"
        )
    return str(level)
