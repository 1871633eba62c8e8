"""Finding what students handed in."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.catalog import Course, Submission, find_submissions
from autograder.errors import SubmissionNotFoundError, UsageError


@pytest.fixture
def hand_in(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a file below ``tmp_path``; its text is its path."""

    def write(path: str) -> Path:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"# {path}\n", errors="replace")
        return file

    return write


def _whose(found: tuple[Submission, ...]) -> list[tuple[str, str]]:
    return [(submission.student, submission.exercise) for submission in found]


HandIn = Callable[[str], Path]


def test_a_file_is_graded_by_its_name(course: Course, hand_in: HandIn) -> None:
    """The exercise is the file's name, the student the folder's; the text comes along."""
    path = hand_in("alice/race.py")
    expected = Submission(student="alice", exercise="race", path=path, source="# alice/race.py\n")
    assert ((expected,), ()) == find_submissions([path], course)


def test_a_file_in_an_exercise_folder_is_the_students_above(course: Course, hand_in: HandIn) -> None:
    """In nbgrader's layout the folder above the exercise's is the student's."""
    found, _ = find_submissions([hand_in("submitted/bob/03_race/race.py")], course)
    assert [("bob", "race")] == _whose(found)


def test_a_file_of_any_name_needs_the_exercise(course: Course, hand_in: HandIn) -> None:
    """With the exercise given, the file's name is the student's."""
    paths = [hand_in("hw/alice.py"), hand_in("hw/bob.py")]
    found, _ = find_submissions(paths, course, "03_race")
    assert [("alice", "race"), ("bob", "race")] == _whose(found)
    with pytest.raises(UsageError, match=r"'alice'.*--exercise NAME"):
        find_submissions(paths, course)


def test_a_misspelt_file_gets_a_guess(course: Course, hand_in: HandIn) -> None:
    """A slip in a file's name is recognised."""
    with pytest.raises(UsageError, match=r"did you mean 'seeding'\?"):
        find_submissions([hand_in("seedin.py")], course)


@pytest.mark.parametrize("name", ["race.txt", "race", "race.ipynb.txt", "race.PY"])
def test_a_file_of_another_kind_is_refused(course: Course, hand_in: HandIn, name: str) -> None:
    """Only what can be graded is taken, and the message says what that is."""
    with pytest.raises(UsageError, match=r"must end in \.py, \.ipynb"):
        find_submissions([hand_in(name)], course)


def test_an_unknown_exercise_is_refused(course: Course, hand_in: HandIn) -> None:
    """The exercise that is asked for must exist."""
    with pytest.raises(UsageError, match="no exercise is called 'quantum'"):
        find_submissions([hand_in("race.py")], course, "quantum")


@pytest.mark.parametrize("layout", ["hw/{name}.py", "hw/{folder}/{name}.py"])
def test_a_folder_is_one_students_work(course: Course, hand_in: HandIn, tmp_path: Path, layout: str) -> None:
    """Files lie in it directly or in NN_name folders; they come in the order of the exercises."""
    for folder, name in (("05_cpu_bound", "cpu_bound"), ("03_race", "race")):
        hand_in(layout.format(folder=folder, name=name))
    for other in (
        "hw/test_race.py",
        "hw/driver.py",
        "hw/notes.txt",
        "hw/03_race/wrong/race.py",
        "hw/.git/race.py",
    ):
        hand_in(other)
    found, _ = find_submissions([tmp_path / "hw"], course)
    assert [("hw", "race"), ("hw", "cpu_bound")] == _whose(found)


def test_solutions_are_one_student_without_the_wrong_ones(course: Course) -> None:
    """The references can be graded like a submission."""
    (course.root / "solutions" / "03_race" / "wrong").mkdir()
    (course.root / "solutions" / "03_race" / "wrong" / "race.py").touch()
    found, warnings = find_submissions([course.root / "solutions"], course)
    assert [("solutions", "race"), ("solutions", "seeding"), ("solutions", "cpu_bound")] == _whose(found)
    assert () == warnings


def test_an_exercise_folder_belongs_to_the_student_above(course: Course, hand_in: HandIn, tmp_path: Path) -> None:
    """The folder of one exercise holds that exercise only."""
    for path in ("bob/03_race/race.py", "bob/03_race/seeding.py", "bob/03_race/wrong/race.py"):
        hand_in(path)
    found, _ = find_submissions([tmp_path / "bob" / "03_race"], course)
    assert [("bob", "race")] == _whose(found)


def test_a_class_is_read_as_nbgrader_lays_it_out(course: Course, hand_in: HandIn, tmp_path: Path) -> None:
    """Students by name, exercises in order; what was not handed in is not there."""
    for path in (
        "submitted/bob/03_race/race.py",
        "submitted/alice/04_seeding/seeding.py",
        "submitted/alice/03_race/race.py",
        "submitted/alice/03_race/timestamp.txt",
        "submitted/carol/race.py",
        "submitted/readme.txt",
    ):
        hand_in(path)
    (tmp_path / "submitted" / "dan").mkdir()
    found, warnings = find_submissions([tmp_path / "submitted"], course)
    assert [("alice", "race"), ("alice", "seeding"), ("bob", "race"), ("carol", "race")] == _whose(found)
    assert () == warnings
    only, _ = find_submissions([tmp_path / "submitted"], course, "seeding")
    assert [("alice", "seeding")] == _whose(only)


def test_a_stray_file_beside_students_hides_nobody(course: Course, hand_in: HandIn, tmp_path: Path) -> None:
    """A class with a submission in the wrong place is graded, the stray one too."""
    hand_in("submitted/race.py")
    hand_in("submitted/alice/race.py")
    found, _ = find_submissions([tmp_path / "submitted"], course)
    assert [("submitted", "race"), ("alice", "race")] == _whose(found)


def test_unknown_exercise_folders_get_one_line_for_all(course: Course, hand_in: HandIn, tmp_path: Path) -> None:
    """A class full of the same stranger is one warning, with the nearest name."""
    for student in ("alice", "bob", "carol"):
        hand_in(f"submitted/{student}/02_race/race.py")
    hand_in("submitted/alice/03_race/race.py")
    found, (warning,) = find_submissions([tmp_path / "submitted"], course)
    assert [("alice", "race")] == _whose(found)
    assert "02_race (and in 2 more folders)" in warning
    assert "did you mean 'race'?" in warning


def test_a_folder_without_its_file_is_told(course: Course, hand_in: HandIn, tmp_path: Path) -> None:
    """Work under another name is not lost silently."""
    hand_in("submitted/alice/03_race/Race_final.py")
    hand_in("submitted/bob/03_race/race.py")
    _, warnings = find_submissions([tmp_path / "submitted"], course)
    assert (f"{tmp_path}/submitted/alice/03_race: there is no race.py in it",) == warnings


@pytest.mark.parametrize("content", [b"x = '\xe9'", b"#" * 1_000_001, b"# coding: rot13\n"])
def test_an_unreadable_file_does_not_stop_a_class(
    course: Course, hand_in: HandIn, tmp_path: Path, content: bytes
) -> None:
    """It has a result to come, with the reason in one line; the others are read."""
    hand_in("submitted/bob/03_race/race.py")
    hand_in("submitted/alice/03_race/race.py").write_bytes(content)
    (alice, bob), _ = find_submissions([tmp_path / "submitted"], course)
    assert ("", "") == (alice.source, bob.problem)
    assert alice.problem
    assert "\n" not in alice.problem


def test_things_that_are_no_files_do_not_stop_a_class(course: Course, hand_in: HandIn, tmp_path: Path) -> None:
    """A pipe is not waited for, a folder of a file's name is not read, a loop of links is not followed."""
    hand_in("submitted/eve/03_race/race.py")
    for student in ("alice", "bob", "carol"):
        (tmp_path / "submitted" / student).mkdir()
    os.mkfifo(tmp_path / "submitted" / "alice" / "race.py")
    (tmp_path / "submitted" / "bob" / "race.py").mkdir()
    (tmp_path / "submitted" / "carol" / "race.py").symlink_to("race.py")
    (tmp_path / "submitted" / "dan").symlink_to("dan")
    found, _ = find_submissions([tmp_path / "submitted"], course)
    assert [("alice", True), ("bob", True), ("carol", True), ("eve", False)] == [
        (submission.student, bool(submission.problem)) for submission in found
    ]


def test_links_out_of_a_students_folder_are_not_followed(course: Course, hand_in: HandIn, tmp_path: Path) -> None:
    """Nobody hands in another's work, or the grader's files, by a link."""
    secret = hand_in("secret/race.py")
    submitted = tmp_path / "submitted"
    bob = hand_in("submitted/bob/03_race/race.py")
    for student in ("alice", "carol", "dan", "erin"):
        (submitted / student).mkdir()
    (submitted / "alice" / "race.py").symlink_to(secret)
    (submitted / "carol" / "03_race").symlink_to(secret.parent)
    (submitted / "dan" / "race.py").symlink_to(bob)
    (submitted / "erin" / "mine.py").write_text("# erin\n")
    (submitted / "erin" / "race.py").symlink_to("mine.py")
    (submitted / "frank").symlink_to(secret.parent)
    found, (warning,) = find_submissions([submitted], course)
    assert {"alice": "", "bob": bob.read_text(), "carol": "", "dan": "", "erin": "# erin\n"} == {
        submission.student: submission.source for submission in found
    }
    assert ["alice", "carol", "dan"] == [submission.student for submission in found if submission.problem]
    assert "frank: ignored: a link" in warning


def test_a_path_that_is_a_link_itself_is_followed(course: Course, hand_in: HandIn, tmp_path: Path) -> None:
    """Whoever gives the path may give a link."""
    hand_in("real/alice/race.py")
    (tmp_path / "latest").symlink_to("real")
    found, _ = find_submissions([tmp_path / "latest"], course)
    assert [("alice", "race")] == _whose(found)


def test_the_same_file_twice_is_one_submission(course: Course, hand_in: HandIn, tmp_path: Path) -> None:
    """Paths that overlap do not grade anything twice; no path is called empty for it."""
    path = hand_in("submitted/alice/03_race/race.py")
    found, warnings = find_submissions([tmp_path / "submitted", path.parent.parent, path], course)
    assert [("alice", "race")] == _whose(found)
    assert () == warnings


def test_the_same_student_twice_is_kept_apart_by_path(course: Course, hand_in: HandIn) -> None:
    """Two files of one student for one exercise are two submissions."""
    paths = [hand_in("monday/alice/race.py"), hand_in("tuesday/alice/race.py")]
    found, _ = find_submissions(paths, course)
    assert [("alice", "race")] * 2 == _whose(found)
    assert paths == [submission.path for submission in found]


@pytest.mark.parametrize("name", ["missing", "missing.py", "a\nb\x1b[31m", "loop"])
def test_a_path_that_is_not_there_is_said_in_one_line(course: Course, tmp_path: Path, name: str) -> None:
    """The message names the path, printable, and what could be given."""
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(SubmissionNotFoundError, match="no such file or folder; give a file") as error:
        find_submissions([tmp_path / name], course)
    assert str(error.value).isprintable()


@pytest.mark.parametrize("made", ["hw/notes.txt", "hw/deep/er/race.py", "hw/12_bonus/race.py", "hw/03_race/x.py"])
def test_nothing_to_grade_is_said_in_one_line(course: Course, hand_in: HandIn, tmp_path: Path, made: str) -> None:
    """The message names the path, what was looked for and the remedy."""
    hand_in(made)
    with pytest.raises(SubmissionNotFoundError, match=r"hw: nothing to grade.*--exercise NAME") as error:
        find_submissions([tmp_path / "hw"], course)
    assert str(error.value).isprintable()


def test_no_path_is_nothing_to_grade(course: Course) -> None:
    """An empty list is an error as well."""
    with pytest.raises(SubmissionNotFoundError, match="no path: nothing to grade"):
        find_submissions([], course)


def test_one_empty_path_among_others_is_a_warning(course: Course, hand_in: HandIn, tmp_path: Path) -> None:
    """`grade submitted/*` goes on when one student handed in nothing."""
    hand_in("submitted/alice/race.py")
    (tmp_path / "submitted" / "bob").mkdir()
    found, warnings = find_submissions(sorted((tmp_path / "submitted").iterdir()), course)
    assert [("alice", "race")] == _whose(found)
    assert (f"{tmp_path}/submitted/bob: nothing to grade",) == warnings


def test_a_students_name_is_printable(course: Course, hand_in: HandIn, tmp_path: Path) -> None:
    """Whatever the folder is called, the name can be shown and written."""
    hand_in("submitted/al\nice\x1b[31m/race.py")
    hand_in(os.fsdecode(b"submitted/b\xff/race.py"))
    found, _ = find_submissions([tmp_path / "submitted"], course)
    assert [r"al\nice\x1b[31m", r"b\udcff"] == [submission.student for submission in found]


# -- notebooks --------------------------------------------------------------------------------------------


def _notebook(path: Path, code: str) -> Path:
    cell = {"cell_type": "code", "source": f"%%exercise {path.stem}\n{code}"}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"nbformat": 4, "cells": [cell]}))
    return path


def test_a_notebook_is_read_as_a_file_is(course: Course, tmp_path: Path) -> None:
    """By its own name, in a class, and under any name where the exercise is given."""
    paths = [
        _notebook(tmp_path / "alice" / "race.ipynb", "x = 1"),
        _notebook(tmp_path / "submitted" / "bob" / "03_race" / "race.ipynb", "x = 1").parents[2],
    ]
    found, warnings = find_submissions(paths, course)
    assert [("alice", "race"), ("bob", "race")] == _whose(found)
    assert {"x = 1\n"} == {submission.source.partition("\n")[2] for submission in found}
    assert () == warnings
    carol = _notebook(tmp_path / "race.ipynb", "y = 1").rename(tmp_path / "carol.ipynb")
    (submission,), _ = find_submissions([carol], course, "race")
    assert ("carol", "y = 1\n") == (submission.student, submission.source.partition("\n")[2])


def test_a_notebook_with_magics_is_a_problem_of_its_own(course: Course, tmp_path: Path) -> None:
    """The others are read."""
    _notebook(tmp_path / "submitted" / "alice" / "race.ipynb", "!ls")
    _notebook(tmp_path / "submitted" / "bob" / "race.ipynb", "x = 1")
    (alice, bob), _ = find_submissions([tmp_path / "submitted"], course)
    assert "'!ls', is Jupyter's" in alice.problem
    assert "" == bob.problem


STUB = "raise NotImplementedError"


@pytest.mark.parametrize(
    ("file", "notebook", "taken"),
    [
        (STUB, STUB, "race.py"),
        (STUB, "x = 1", "race.ipynb"),
        ("x = 1", STUB, "race.py"),
        ("x = 1", "x = 1", "race.py"),
        (STUB, "!ls", "race.ipynb"),
    ],
)
def test_of_file_and_notebook_the_one_worked_on_is_taken(
    course: Course, tmp_path: Path, file: str, notebook: str, taken: str
) -> None:
    """A student hands in the whole folder, and the other one is in it as it was released."""
    for folder, one, other in (("course/assignments", STUB, STUB), ("submitted/alice", file, notebook)):
        _notebook(tmp_path / folder / "03_race" / "race.ipynb", other)
        (tmp_path / folder / "03_race" / "race.py").write_text(one + "\n")
    (submission,), warnings = find_submissions([tmp_path / "submitted"], course)
    assert (taken, ()) == (submission.path.name, warnings)


def test_where_both_were_worked_on_it_is_the_file_and_one_line_says_so(course: Course, tmp_path: Path) -> None:
    """One for a whole class."""
    for student in ("alice", "bob"):
        folder = _notebook(tmp_path / "submitted" / student / "03_race" / "race.ipynb", "x = 1").parent
        (folder / "race.py").write_text("x = 2\n")
    found, (warning,) = find_submissions([tmp_path / "submitted"], course)
    assert ["x = 2\n"] * 2 == [submission.source for submission in found]
    assert "03_race (and in 1 more folders): race.py and race.ipynb are not the same work; race.py is taken" in warning
