"""Several submissions judged at the same time: the same marks, and nothing left, however it ends."""

import contextlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from autograder.catalog import Course
from autograder.catalog.submissions import Submission
from autograder.checks.tasks import Sandboxes, Task
from autograder.classroom.grading import grade_tasks
from autograder.classroom.side_by_side import grade_jobs
from autograder.errors import GraderError
from autograder.records import Result
from tests.fakes import make_course

CHECKS = '''\
import pytest


@pytest.mark.points(10)
def test_twice(submission):
    """The number comes back twice."""
    assert 4 == submission.work(2)
'''
RIGHT = "def work(n):\n    return 2 * n\n"
WRONG = "def work(n):\n    return n\n"
HANGS = "def work(n):\n    while True:\n        pass\n"


def _tasks(root: Path, *texts: str) -> list[Task]:
    course = make_course(root, checks=CHECKS, reference=RIGHT, wall_seconds=60)
    assert isinstance(course, Course)
    (folder,) = course.exercises()
    name = folder.exercise.name
    return [Task.of(Submission(f"s{index}", name, folder.reference, text), folder) for index, text in enumerate(texts)]


def _family(pid: int, word: str = "") -> set[psutil.Process]:
    """All that came of a process and has ``word`` in its command, but Python's resource tracker."""
    found = set()
    for process in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            command = " ".join(process.cmdline())
            if word in command and "resource_tracker" not in command:
                found.add(process)
    return found


def test_marks_and_their_order_are_those_of_one_after_the_other(tmp_path: Path) -> None:
    """Who is judged first does not matter: each submission has its own mark, and the report has them in their order."""
    tasks = _tasks(tmp_path, RIGHT, WRONG, "def work(:", RIGHT, WRONG)
    one, three = (grade_tasks(tasks, trusted=True, jobs=jobs).report for jobs in (1, 3))
    marks = [[(result.student, result.score, [check.outcome for check in result.checks]) for result in report.results]
             for report in (one, three)]  # fmt: skip
    assert [10.0, 0.0, 0.0, 10.0, 0.0] == [score for _, score, _ in marks[0]]
    assert marks[0] == marks[1]


def test_nothing_is_left_when_it_is_stopped(tmp_path: Path) -> None:
    """Ctrl-C while two of them compute for ever: what was judged is told, and no process stays."""
    told: list[tuple[int, Result]] = []
    before = _family(os.getpid())

    def stop(place: int, result: Result) -> None:
        told.append((place, result))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        grade_jobs(_tasks(tmp_path, HANGS, RIGHT, HANGS), Sandboxes(), 3, stop)
    assert [(1, 10.0)] == [(place, result.score) for place, result in told]
    assert set() == _family(os.getpid()) - before


def test_one_that_is_killed_is_a_fault_of_the_grader(tmp_path: Path) -> None:
    """A process that grades and is gone has judged nothing: no student is charged with it."""
    before = _family(os.getpid())

    def kill() -> None:
        while not (graders := _family(os.getpid(), "spawn_main") - before):
            time.sleep(0.1)
        graders.pop().kill()

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(GraderError, match="ended by itself"):
        grade_jobs(_tasks(tmp_path, HANGS, HANGS), Sandboxes(), 2, lambda *_: None)
    killer.join()
    _, left = psutil.wait_procs(_family(os.getpid()) - before, 5)
    assert [] == left


def test_nothing_outlives_a_grader_that_is_killed(tmp_path: Path) -> None:
    """SIGKILL to the grader itself: those that grade for it notice, and end with all that runs in their sandboxes."""
    _tasks(tmp_path, HANGS)
    for student in "ab":
        folder = tmp_path / "submitted" / student / "01_tiny"
        folder.mkdir(parents=True)
        (folder / "tiny.py").write_text(HANGS)
    command = "from autograder.cli import main; main()"
    words = ["grade", "submitted", "--course", ".", "--jobs", "2", "--trust-submissions"]
    grader = subprocess.Popen([sys.executable, "-c", command, *words], cwd=tmp_path)
    try:
        for _ in range(600):
            if len(_family(grader.pid, "spawn_main")) == 2 and len(_family(grader.pid)) > 6:
                break
            time.sleep(0.1)
        family = _family(grader.pid)
        assert len(family) > 2
    finally:
        grader.kill()
        grader.wait()
    _, left = psutil.wait_procs(family, 5)
    assert [] == left
