"""The work in a notebook and its marks, without a kernel and without a sandbox."""

import pickle
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from autograder.catalog import Course
from autograder.checks.tasks import Task
from autograder.classroom.grading import Graded
from autograder.classroom.progress import standings
from autograder.classroom.release import release
from autograder.errors import GraderError, SubmissionNotFoundError, UsageError
from autograder.notebook import grade, session
from autograder.notebook.session import Session
from autograder.records import Machine, Outcome, Report, Result, Verdict
from tests.fakes import make_course

RIGHT = "def double(n):\n    return 2 * n"


@pytest.fixture
def graded(monkeypatch: pytest.MonkeyPatch) -> list[Task]:
    """What was given to the grader, which gives half of the points for a message."""
    seen: list[Task] = []

    def grade_tasks(tasks: Sequence[Task], *, trusted: bool, timelines: bool) -> Graded:  # noqa: ARG001
        print("a word of the grader", file=sys.stderr)
        seen.extend(tasks)
        return Graded(
            _report(tasks[0], Outcome.ERROR if "fault" in tasks[0].submission.source else Outcome.FAILED), True
        )

    monkeypatch.setattr(session, "grade_tasks", grade_tasks)
    return seen


def _report(task: Task, outcome: Outcome) -> Report:
    checks = tuple(
        Verdict(
            name=check.name,
            title=check.title,
            kind=check.kind,
            outcome=outcome,
            score=check.points / 2,
            points=check.points,
            message="Not\x1b[31m quite.",
        )
        for check in task.checks
    )
    result = Result(student="", exercise="tiny", path="", score=5, points=10, seconds=0, checks=checks)
    machine = Machine(cores=1, isolation="process", clock="wall", system="", python="", memory_mb=1, load=0.0)
    return Report(autograder="0", machine=machine, results=(result,))


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """A session beside a course; what it does to this process is undone."""
    make_course(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    fresh = Session(tmp_path)
    monkeypatch.setattr(session, "current", lambda: fresh)
    yield fresh
    sys.modules.pop("tiny", None)


def test_a_cell_becomes_a_module(work: Session) -> None:
    """It can be imported by its name, and what is in it can be pickled by reference."""
    module = work.define("tiny", RIGHT)
    assert 42 == module.double(21)
    assert module is sys.modules["tiny"]
    assert module.double is pickle.loads(pickle.dumps(module.double))
    assert str(Path(str(module.__file__)).parent) == sys.path[0], "before a tiny.py beside the notebook"


def test_a_changed_cell_is_a_changed_module(work: Session) -> None:
    """Also when its text is as long as before and both were written within a second."""
    found = [work.define("01_tiny", RIGHT.replace("2", digit)).double(1) for digit in "123"]
    assert [1, 2, 3] == found


def test_an_error_of_the_cell_is_its_own(work: Session) -> None:
    """The exception comes out as it is, from the line that the notebook shows."""
    with pytest.raises(ZeroDivisionError) as caught:
        work.define("tiny", "x = 1\n1 / 0")
    assert 3 == caught.traceback[-1].lineno + 1


def test_a_slip_in_the_name_is_told_at_once(work: Session) -> None:
    """Not when the marks are wanted."""
    with pytest.raises(UsageError, match="did you mean 'tiny'"):
        work.define("tinny", RIGHT)


@pytest.mark.usefixtures("graded")
def test_public_checks_are_run_on_the_latest_cell(work: Session, graded: list[Task]) -> None:
    """And on no hidden check, although this course has them."""
    work.define("tiny", RIGHT)
    assert ["test_double"] == [check.name for check in work.check().checks]
    assert [RIGHT] == [task.submission.source.partition("\n")[2].rstrip() for task in graded]


def test_nothing_is_judged_twice(work: Session, graded: list[Task]) -> None:
    """Grade cells take what is known of the same work; hidden checks, and other work, are judged when they are asked for."""
    work.define("tiny", RIGHT)
    work.check()
    assert "test_double" == work.verdict("tiny", "test_double").name
    assert 1 == len(graded)
    assert "test_others" == work.verdict("tiny", "test_others").name
    assert 2 == len(graded)
    work.define("tiny", RIGHT + " ")
    work.verdict("tiny", "test_double")
    assert 3 == len(graded)


@pytest.mark.usefixtures("graded")
def test_a_grade_cell_gives_points_and_a_message(work: Session, capsys: pytest.CaptureFixture[str]) -> None:
    """A plain float, and not a word on standard error: nbgrader would give 0 for it."""
    work.define("tiny", RIGHT)
    points = grade("tiny", "test_double")
    assert (float, 2.0) == (type(points), points)
    out, err = capsys.readouterr()
    assert "✗ failed: 2 of 4 points. Twice a number.\nNot\\x1b[31m quite.\n" in out
    assert "" == err


def test_without_work_there_are_no_points(work: Session, capsys: pytest.CaptureFixture[str]) -> None:
    """The grade cell says which cell was not run; the magic does not go on."""
    assert 0.0 == grade("tiny", "test_double")
    assert "no cell that begins with '%%exercise tiny' was run" in capsys.readouterr().out
    with pytest.raises(SubmissionNotFoundError):
        work.check("tiny")
    with pytest.raises(UsageError, match="which exercise"):
        work.check()


def test_a_cell_that_is_no_module_is_not_judged_by_the_one_before(work: Session, graded: list[Task]) -> None:
    """Its problem is the verdict, as it will be when the notebook is graded."""
    work.define("tiny", RIGHT)
    with pytest.raises(UsageError, match=r"%%exercise tiny: line 2 of its cell, '%time'"):
        work.define("tiny", "%time\n" + RIGHT)
    work.check()
    assert "'%time'" in graded[0].submission.problem


@pytest.mark.usefixtures("graded")
def test_a_fault_of_the_grader_is_no_mark(work: Session) -> None:
    """The cell has an error; it is not kept, so that running it again helps."""
    work.define("tiny", "fault = 1")
    with pytest.raises(GraderError, match="not of your work"):
        grade("tiny", "test_double")


@pytest.mark.usefixtures("work")
def test_a_check_that_is_not_there_is_named(work: Session) -> None:
    """A notebook older than the checks beside it."""
    work.define("tiny", RIGHT)
    with pytest.raises(UsageError, match="no check is called 'test_triple'"):
        work.verdict("tiny", "test_triple")


def test_the_folder_of_one_exercise_is_enough(
    tmp_path: Path, graded: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nbgrader's fetch gives a student has no course around it."""
    folder = tmp_path / "solutions" / "01_tiny"
    make_course(tmp_path)
    moved = folder.rename(tmp_path / "01_tiny")
    monkeypatch.setattr(sys, "path", sys.path[:])
    alone = Session(moved)
    alone.define("tiny", RIGHT)
    alone.check()
    assert [moved] == [task.folder.path for task in graded]
    with pytest.raises(UsageError, match="the exercise here is 'tiny', not 'race'"):
        alone.define("race", RIGHT)
    sys.modules.pop("tiny")


def test_a_check_beside_the_exercises_notebook_is_progress(work: Session, graded: list[Task], tmp_path: Path) -> None:
    """The list knows what %check saw in the exercise's own notebook, and nothing of a scratch notebook elsewhere."""
    course = Course.find(tmp_path)
    release(course)
    work.define("tiny", RIGHT)
    work.check()
    assert standings(course)[0]["tiny"].last_check is None
    beside = Session(tmp_path / "assignments" / "01_tiny")
    beside.define("tiny", RIGHT)
    beside.check()
    last = standings(course)[0]["tiny"].last_check
    assert last is not None
    assert (5, 10) == (last.score, last.points)
    assert 2 == len(graded)
