"""An instructor at work in nbgrader's formgrader, as the instructor sees it."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autograder.catalog import Course
from tests.browser.jupyter import PATIENCE, environment

ROOT = Path(__file__).parents[2]

GRADE = ["-c", "from autograder.cli import main; main()", "grade", "submitted", "--gradebook", "sqlite:///gradebook.db"]


def _graded(course: Path, home: Path) -> None:
    """A course in which alice has handed in what she was given, and was graded."""
    from autograder.classroom.release import release  # imports nbgrader

    shutil.copytree(ROOT / "solutions" / "03_race", course / "solutions" / "03_race")
    shutil.copy(ROOT / "nbgrader_config.py", course)
    release(Course(course), "race")
    shutil.copytree(course / "assignments" / "03_race", course / "submitted" / "alice" / "03_race")
    command = [sys.executable, *GRADE]
    done = subprocess.run(
        command, cwd=course, env=environment(home), capture_output=True, text=True, timeout=2 * PATIENCE
    )
    assert 0 == done.returncode, done.stderr


def _mark(course: Path) -> tuple[float, float | None]:
    """What the gradebook has of the check about deposits: the points that the grader gave, and those of the instructor."""
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
        grade = book.find_grade("test_no_deposit_is_lost", "race", "03_race", "alice")
        return grade.auto_score, grade.manual_score


def test_an_instructor_reads_the_evidence_and_changes_a_mark(
    browser: Any, serve: Callable[[Path, str], str], tmp_path: Path, picture: Callable[[str], None]
) -> None:
    """From the list of assignments to the submission; the check's message stands there, and the gradebook has the mark."""
    from selenium.webdriver import Keys
    from selenium.webdriver.support import expected_conditions as seen
    from selenium.webdriver.support.ui import WebDriverWait

    course = tmp_path / "course"
    _graded(course, tmp_path / "nbgrader")
    assert (0, None) == _mark(course)

    wait = WebDriverWait(browser, PATIENCE)
    browser.get(serve(course, "formgrader"))
    for link in ("Manual Grading", "03_race", "race", "Submission #1"):
        wait.until(seen.element_to_be_clickable(("link text", link))).click()
    wait.until(seen.presence_of_element_located(("id", "test_no_deposit_is_lost")))
    cell = browser.find_element("xpath", "//div[contains(@class, 'cell')][.//*[@id='test_no_deposit_is_lost']]")
    browser.execute_script("arguments[0].scrollIntoView()", cell)
    picture("formgrader")
    assert "failed: 0 of 0.75 points. Deposits on one account at the same time all arrive." in cell.text
    assert "thread 1: a.deposit(5)" in cell.text

    score = cell.find_element("id", "test_no_deposit_is_lost")
    score.send_keys("0.5", Keys.TAB)
    wait.until(lambda _: _mark(course) == (0, 0.5))
    picture("formgrader_changed")
