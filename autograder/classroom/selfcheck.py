"""The repository proves itself: stubs lose, references get full marks, wrong submissions lose at their named check."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from autograder.catalog.check_sources import read_checks
from autograder.catalog.exercises import Course, ExerciseFolder
from autograder.catalog.submissions import Submission
from autograder.catalog.text import read_own
from autograder.checks.tasks import Sandboxes, Task
from autograder.classroom import release
from autograder.classroom.side_by_side import grade_jobs
from autograder.errors import CatalogError
from autograder.records import Kind, Outcome, Result, Verdict
from autograder.sandbox import Isolation

FULL_MARKS = 10.0


class Role(Enum):
    """What a file must show."""

    REFERENCE = auto()
    STUB = auto()
    WRONG = auto()


@dataclass(frozen=True, slots=True)
class Proof:
    """One file of an exercise, and what must come of it."""

    role: Role
    task: Task
    #: For a wrong submission: the check that must fail.
    fails: str = ""

    @property
    def path(self) -> Path:
        return self.task.submission.path

    def complaint(self, result: Result) -> str:
        """What is not as it must be, or nothing."""
        verdicts = {verdict.name: verdict for verdict in result.checks}
        faults = [verdict for verdict in result.checks if verdict.outcome is Outcome.ERROR]
        if faults:
            return f"the grader failed in {faults[0].name}: {faults[0].message}"
        match self.role:
            case Role.REFERENCE:
                lost = [_said(verdict) for verdict in result.checks if verdict.outcome is not Outcome.PASSED]
                return f"the reference does not get full marks: {'; '.join(lost)}" if lost else ""
            case Role.STUB:
                return "the stub gets full marks" if result.score >= result.points else ""
            case Role.WRONG:
                verdict = verdicts[self.fails]
                loses = verdict.outcome in (Outcome.FAILED, Outcome.TIMEOUT, Outcome.CRASHED) and verdict.score == 0
                return "" if loses else f"must fail at {self.fails}, which says: {_said(verdict)}"


def static_complaints(course: Course, folders: Sequence[ExerciseFolder], check_release: bool = True) -> list[str]:
    """What is wrong with the exercises as they are written, before anything runs."""
    complaints = []
    for folder in folders:
        try:
            complaints += _folder_complaints(folder)
        except CatalogError as error:
            complaints.append(str(error))
    if check_release:
        complaints += release.stale(course)
    return complaints


def proofs(course: Course, folders: Sequence[ExerciseFolder]) -> list[Proof]:
    """All files that have something to show."""
    found = []
    for folder in folders:
        found.append(Proof(Role.REFERENCE, Task.of(_submission(folder, folder.reference, "reference"), folder)))
        stub = course.root / "assignments" / folder.path.name / folder.exercise.module_file
        if stub.is_file():
            found.append(Proof(Role.STUB, Task.of(_submission(folder, stub, "stub"), folder)))
        for wrong in folder.wrong():
            task = Task.of(_submission(folder, wrong.path, wrong.path.stem), folder, [wrong.fails])
            found.append(Proof(Role.WRONG, task, wrong.fails))
    return found


def prove(
    wanted: Sequence[Proof],
    forced: Isolation | None = None,
    on_proof: Callable[[Proof, str], None] | None = None,
    jobs: int = 1,
) -> list[str]:
    """Run ``wanted``, ``jobs`` at a time, and give the complaints. ``on_proof`` is told of each, with its own or nothing."""
    complaints: list[str] = []

    def judge(place: int, result: Result) -> None:
        proof = wanted[place]
        complaint = proof.complaint(result)
        if complaint:
            complaints.append(f"{proof.path}: {complaint}")
        if on_proof is not None:
            on_proof(proof, complaint)

    with Sandboxes(forced) as sandboxes:
        grade_jobs([proof.task for proof in wanted], sandboxes, jobs, judge)
    return complaints


def _folder_complaints(folder: ExerciseFolder) -> list[str]:
    checks = read_checks(folder.tests)
    complaints = []
    points = math.fsum(check.points for check in checks)
    if not math.isclose(points, FULL_MARKS):
        complaints.append(f"{folder.tests}: the points add up to {points:g}, not to {FULL_MARKS:g}")
    complaints += [
        f"{folder.tests}: there are no {word} checks"
        for word, hidden in (("public", False), ("hidden", True))
        if not any(check.hidden is hidden for check in checks)
    ]
    if not any(check.kind is Kind.CORRECTNESS for check in checks):
        complaints.append(f"{folder.tests}: no check is about correctness")
    if len(folder.exercise.hints) != 3:
        complaints.append(f"{folder.path / 'exercise.toml'}: three hints are wanted: a question, a pointer, a sketch")
    if not folder.reference.is_file():
        complaints.append(f"{folder.reference}: there is no reference solution")
    if not (folder.path / "README.md").is_file():
        complaints.append(f"{folder.path / 'README.md'}: there is no handout")
    names = {check.name for check in checks}
    wrong = folder.wrong()
    complaints += [
        f"{entry.path}: names the check {entry.fails}, which is not there"
        for entry in wrong
        if entry.fails not in names
    ]
    if not wrong:
        complaints.append(
            f"{folder.path / 'wrong'}: there are no wrong submissions, so no check has shown that it can fail"
        )
    return complaints


def _submission(folder: ExerciseFolder, path: Path, student: str) -> Submission:
    return Submission(student, folder.exercise.name, path, read_own(path))


def _said(verdict: Verdict) -> str:
    message = verdict.message.split("\n")[0]
    return f"{verdict.name} {verdict.outcome}{f' ({message})' if message else ''}"
