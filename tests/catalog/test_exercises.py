"""Courses and exercise folders."""

from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.catalog import Course, ExerciseFolder, WrongSubmission
from autograder.errors import CatalogError, UsageError

Add = Callable[..., Path]

GOOD = """\
name = "race"
order = 3
title = "Fix a race"
summary = "s"
minutes = 20
hints = ["a"]
offers = ["f"]
"""


def _one_line(error: pytest.ExceptionInfo[Exception]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def test_a_course_is_found_from_any_folder_in_it(course: Course) -> None:
    """The search walks up to the folder that has exercises."""
    inside = course.root / "solutions" / "03_race" / "wrong"
    inside.mkdir()
    assert course.root == Course.find(inside).root
    assert course.root == Course.find(course.root).root
    assert course.root == Course.find(inside.parent / "race.py").root


def test_a_course_is_found_from_the_working_directory(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a start the working directory is meant."""
    monkeypatch.chdir(course.root / "solutions")
    assert course.root == Course.find().root


def test_assignments_alone_make_a_course(tmp_path: Path, add_exercise: Add) -> None:
    """Students have no solutions, and a course all the same."""
    add_exercise("03_race", where="assignments")
    course = Course.find(tmp_path / "course")
    assert course.home == "assignments"
    assert ["race"] == [folder.exercise.name for folder in course.exercises()]


@pytest.mark.parametrize("made", ["solutions", "solutions/03_race", "assignments/notes"])
def test_a_folder_without_exercises_is_no_course(tmp_path: Path, made: str) -> None:
    """An empty `solutions` is not taken for a course, and the message says where the search began."""
    (tmp_path / made).mkdir(parents=True)
    with pytest.raises(UsageError) as error:
        Course.find(tmp_path)
    assert str(tmp_path) in _one_line(error)


def test_exercises_come_in_order(course: Course) -> None:
    """The number orders them, whatever the order on the disk."""
    assert ["race", "seeding", "cpu_bound"] == [folder.exercise.name for folder in course.exercises()]


def test_folders_that_are_no_exercises_are_passed_over(course: Course) -> None:
    """Caches, notes and half-made folders do not disturb the others."""
    for name in ("__pycache__", "common", "07_notes"):
        (course.root / "solutions" / name).mkdir()
    assert 3 == len(course.exercises())


def test_asking_for_what_is_not_there_is_an_error(course: Course) -> None:
    """A course without assignments says so."""
    with pytest.raises(UsageError, match="assignments: there are no exercises"):
        course.exercises("assignments")


@pytest.mark.parametrize("name", ["cpu_bound", "05_cpu_bound"])
def test_an_exercise_is_got_by_name_or_folder(course: Course, name: str) -> None:
    """Both forms mean the same exercise."""
    assert "cpu_bound" == course.get(name).exercise.name


@pytest.mark.parametrize("name", ["rase", "02_race", "03_rase"])
def test_an_unknown_name_is_answered_with_the_nearest(course: Course, name: str) -> None:
    """A slip of the finger is recognised, and all names are listed."""
    with pytest.raises(UsageError) as error:
        course.get(name)
    assert "did you mean 'race'?" in _one_line(error)
    assert "race, seeding, cpu_bound" in str(error.value)


@pytest.mark.parametrize("name", ["", "quantum\n\x1b[31m", "../solutions/03_race"])
def test_a_strange_name_gets_no_guess(course: Course, name: str) -> None:
    """Nothing is guessed from what resembles nothing, and the message stays one line."""
    with pytest.raises(UsageError) as error:
        course.get(name)
    assert "did you mean" not in _one_line(error)


def test_one_broken_exercise_leaves_the_others_usable(course: Course, add_exercise: Add) -> None:
    """`get` reads the exercise asked for and no other."""
    add_exercise("06_overhead", toml="nonsense")
    assert "race" == course.get("race").exercise.name
    with pytest.raises(CatalogError, match="06_overhead"):
        course.exercises()


@pytest.mark.parametrize(
    ("toml", "named"),
    [
        (GOOD + "hint = 1\n", "hint"),
        (GOOD + "[limits]\nwall = 3\n", "wall"),
        (GOOD.replace('title = "Fix a race"\n', ""), "title"),
        (GOOD.replace("order = 3", 'order = "3"'), "order"),
        (GOOD.replace('hints = ["a"]', "hints = []"), "hints"),
        (GOOD.replace('hints = ["a"]', 'hints = ["a", " "]'), "hints"),
        (GOOD.replace("Fix a race", "  "), "title"),
        (GOOD.replace('"race"', '"ra ce"'), "name"),
        (GOOD.replace("minutes = 20", "minutes = 0"), "minutes"),
        (GOOD + 'builds_on = "threads"\n', "builds_on"),
        (GOOD + 'builds_on = ["threads", "threads"]\n', "builds_on"),
        (GOOD + "[limits]\nwall_seconds = 0\n", "wall_seconds"),
        (GOOD + "[limits]\nwall_seconds = nan\n", "wall_seconds"),
        (GOOD.replace("order = 3", "order = 4"), "04_race"),
        (GOOD.replace('"race"', '"races"'), "03_races"),
        ("name = ", "exercise.toml"),
    ],
)
def test_a_mistake_in_exercise_toml_names_file_and_key(add_exercise: Add, toml: str, named: str) -> None:
    """An author sees at once which key of which file is wrong."""
    path = add_exercise("03_race", toml=toml)
    with pytest.raises(CatalogError) as error:
        ExerciseFolder.load(path)
    assert str(path / "exercise.toml") in _one_line(error)
    assert named in str(error.value)


def test_exercise_toml_that_is_no_text_is_a_mistake(add_exercise: Add) -> None:
    """Bytes that are not UTF-8 are an author's mistake, not a crash."""
    path = add_exercise("03_race")
    (path / "exercise.toml").write_bytes(b"name = '\xff'")
    with pytest.raises(CatalogError, match="UTF-8"):
        ExerciseFolder.load(path)


@pytest.mark.parametrize(("folder", "what"), [("03_races", "order"), ("06_race", "name")])
def test_two_exercises_do_not_share_name_or_number(course: Course, add_exercise: Add, folder: str, what: str) -> None:
    """What would be ambiguous is refused."""
    add_exercise(folder)
    with pytest.raises(CatalogError, match=f"has the {what} of"):
        course.exercises()


@pytest.mark.parametrize(
    ("builds_on", "told"),
    [
        ({"04_seeding": "rase"}, ["04_seeding/exercise.toml: builds_on: ", "'rase'", "did you mean 'race'?"]),
        ({"04_seeding": "seeding"}, ["04_seeding/exercise.toml: builds_on: 'seeding' has number 4", "in a circle"]),
        ({"03_race": "cpu_bound"}, ["03_race/exercise.toml: builds_on: 'cpu_bound' has number 5", "renumber"]),
        ({"03_race": "cpu_bound", "05_cpu_bound": "race"}, ["03_race/exercise.toml: builds_on: ", "in a circle"]),
    ],
)
def test_an_exercise_builds_on_what_comes_before_it(course: Course, builds_on: dict[str, str], told: list[str]) -> None:
    """A name that is not there, and a circle of any length, are one line that names file, cause and remedy."""
    for folder, name in builds_on.items():
        _build(course.root / "solutions" / folder, name)
    with pytest.raises(CatalogError) as error:
        course.exercises()
    assert [] == [part for part in told if part not in _one_line(error)], error.value


def test_an_exercise_says_what_it_builds_on(course: Course) -> None:
    """By the names of exercises with smaller numbers; by nothing, where it builds on none."""
    _build(course.root / "solutions" / "05_cpu_bound", "race")
    assert [(), (), ("race",)] == [folder.exercise.builds_on for folder in course.exercises()]


def test_a_part_of_the_course_is_a_course(tmp_path: Path, add_exercise: Add) -> None:
    """Students who were not given an exercise yet can use those that build on it."""
    _build(add_exercise("03_race", where="assignments"), "threads")
    assert [("threads",)] == [folder.exercise.builds_on for folder in Course(tmp_path / "course").exercises()]


def _build(folder: Path, name: str) -> None:
    toml = folder / "exercise.toml"
    toml.write_text(f'builds_on = ["{name}"]\n{toml.read_text()}')


def test_an_exercise_knows_its_files(course: Course) -> None:
    """Files that an exercise may lack are None until they are there."""
    folder = course.get("race")
    assert folder.path / "race.py" == folder.reference
    assert folder.path / "test_race.py" == folder.tests
    assert (None, None, ()) == (folder.driver, folder.stub, folder.wrong())
    (folder.path / "driver.py").touch()
    (folder.path / "stub.py").touch()
    assert (folder.path / "driver.py", folder.path / "stub.py") == (folder.driver, folder.stub)


def test_wrong_submissions_say_what_they_are(course: Course) -> None:
    """The header is read wherever it stands in the leading comments."""
    folder = course.get("race")
    wrong = folder.path / "wrong"
    wrong.mkdir()
    (wrong / "no_lock.py").write_text("# -*- coding: utf-8 -*-\n#\n# fails: test_a\n# mistake:  no lock \n\nx = 1\n")
    (wrong / "global_lock.py").write_text("# mistake: one lock: for all\n#fails:test_b\n")
    assert (
        WrongSubmission(wrong / "global_lock.py", "test_b", "one lock: for all"),
        WrongSubmission(wrong / "no_lock.py", "test_a", "no lock"),
    ) == folder.wrong()


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("", "fails"),
        ("# fails: test_a\n", "mistake"),
        ("# mistake: m\n", "fails"),
        ("# fails:\n# mistake: m\n", "fails"),
        ("x = 1\n# fails: test_a\n# mistake: m\n", "fails"),
    ],
)
def test_a_wrong_submission_without_its_header_is_refused(course: Course, text: str, missing: str) -> None:
    """The message names the file and the line that it lacks."""
    wrong = course.get("race").path / "wrong"
    wrong.mkdir()
    (wrong / "no_lock.py").write_text(text)
    with pytest.raises(CatalogError, match=rf"no_lock\.py:1: .*# {missing}: "):
        course.get("race").wrong()
