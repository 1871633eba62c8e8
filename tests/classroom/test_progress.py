"""What is known of a student's progress, and how it is kept."""

import json
from pathlib import Path

import pytest

from autograder.catalog import Course, Submission
from autograder.catalog.text import read_source
from autograder.classroom.progress import ProgressWriter, standings
from autograder.classroom.release import release
from autograder.records import Kind, Outcome, Result, Verdict
from tests.fakes import make_course

WORK = "def double(n):\n    return n + n\n"


@pytest.fixture
def course(tmp_path: Path) -> Course:
    """A course with one exercise, as it was given out."""
    course = make_course(tmp_path)
    release(course)
    return course


@pytest.fixture
def file(course: Course) -> Path:
    """The student's file."""
    return course.root / "assignments" / "01_tiny" / "tiny.py"


def _begun(course: Course) -> bool | None:
    return standings(course)[0]["tiny"].begun


def _check(course: Course, path: Path, outcome: Outcome = Outcome.PASSED) -> ProgressWriter:
    """What happens at the end of a check of the file at `path`."""
    source = read_source(path)
    work = Submission("", "tiny", path, source.text, source.problem)
    check = Verdict(name="c", title="t", kind=Kind.CORRECTNESS, outcome=outcome, score=3, points=4)
    result = Result(student="", exercise="tiny", path=str(path), score=3, points=4, seconds=0.1, checks=(check,))
    writer = ProgressWriter(course, {("tiny", str(path)): work})
    writer(result)
    return writer


def test_what_was_given_out_is_untouched(course: Course, file: Path) -> None:
    """File and notebook as released, with other ends of lines too, are no work; either of them changed is."""
    assert _begun(course) is False
    released = file.read_bytes()
    file.write_bytes(released.replace(b"\n", b"\r\n") + b"\r\n")
    assert _begun(course) is False
    file.write_bytes(released + b"# an idea\n")
    assert _begun(course) is True
    file.write_bytes(released)
    notebook = file.with_suffix(".ipynb")
    notebook.write_text(notebook.read_text().replace("raise NotImplementedError", "return n +"))
    assert _begun(course) is True


def test_a_file_that_cannot_be_read_has_been_touched(course: Course, file: Path) -> None:
    """Whatever is in it, it is not what was given out; that is no reason not to list."""
    file.write_bytes(b"\xff\xfe")
    assert _begun(course) is True


def test_an_older_release_says_nothing_of_its_stub(course: Course) -> None:
    """Without a fingerprint nobody knows whether the work was begun."""
    toml = course.root / "assignments" / "01_tiny" / "exercise.toml"
    toml.write_text(toml.read_text().partition("\n")[2])
    assert _begun(course) is None


def test_the_last_check_is_kept(course: Course, file: Path) -> None:
    """Points and what was checked, and whether that is still the work; nothing else is left in the folder."""
    file.write_text(WORK)
    assert [] == _check(course, file).warnings
    standing = standings(course)[0]["tiny"]
    assert standing.last_check is not None
    assert (3, 4, False) == (standing.last_check.score, standing.last_check.points, standing.changed)
    file.write_text(WORK + "# later\n")
    assert standings(course)[0]["tiny"].changed
    made = sorted(path.relative_to(course.root).as_posix() for path in (course.root / ".autograder").rglob("*.*"))
    assert [".autograder/.gitignore", ".autograder/progress/tiny.json"] == made
    assert "*" in (course.root / ".autograder" / ".gitignore").read_text().splitlines()


def test_only_the_students_own_work_counts(course: Course, tmp_path: Path) -> None:
    """A check of another file, as of a friend's or of the reference, is not this student's progress."""
    other = tmp_path / "elsewhere" / "tiny.py"
    other.parent.mkdir()
    other.write_text(WORK)
    for path in (other, course.root / "solutions" / "01_tiny" / "tiny.py"):
        _check(course, path)
    assert standings(course)[0]["tiny"].last_check is None


def test_a_fault_of_the_grader_is_no_result(course: Course, file: Path) -> None:
    """What could not be judged does not take the place of what was."""
    _check(course, file)
    kept = standings(course)
    file.write_text(WORK)
    _check(course, file, Outcome.ERROR)
    assert kept[0]["tiny"].last_check == standings(course)[0]["tiny"].last_check


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "not what 'autograder check' wrote"),
        (b"\xff", "not what 'autograder check' wrote"),
        (b"[" * 9000, "not what 'autograder check' wrote"),
        (b'{"version": 1, "score": "a\\nb"}', "not what 'autograder check' wrote"),
        (b'{"version": 2, "score": 1, "points": 4, "work": ""}', "another version"),
    ],
)
def test_a_file_that_is_not_understood_is_ignored_with_a_warning(
    course: Course, file: Path, content: bytes, why: str
) -> None:
    """One line names it; the next check puts a good one in its place."""
    kept = course.root / ".autograder" / "progress" / "tiny.json"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(content)
    found, (warning,) = standings(course)
    assert (None, True, True) == (found["tiny"].last_check, why in warning, warning.startswith(f"{kept}: ignored: "))
    assert "\n" not in warning
    _check(course, file)
    assert (1, ()) == (json.loads(kept.read_text())["version"], standings(course)[1])


def test_a_folder_that_cannot_be_written_costs_a_warning(course: Course, file: Path) -> None:
    """The check has been made, and its marks are shown; only the progress is not kept."""
    (course.root / ".autograder").write_text("a file in the way")
    (warning,) = _check(course, file).warnings
    assert (True, 1) == ("the progress is not kept: " in warning, len(warning.splitlines()))


def test_without_assignments_nobody_has_progress(tmp_path: Path) -> None:
    """An instructor's course that was not released yet."""
    assert ({}, ()) == standings(make_course(tmp_path))
