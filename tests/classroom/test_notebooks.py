"""The notebooks that are made of an exercise."""

import json
from pathlib import Path
from typing import Any

import pytest

from autograder.catalog import Course
from autograder.catalog.notebooks import read_notebook
from autograder.classroom.release import complete, release, released_files, stale
from tests.fakes import REFERENCE, make_course

pytest.importorskip("nbgrader")

STUB = '"""The reference."""\n\n\ndef double(n):\n    """Twice ``n``."""\n'
STUB += '    # YOUR CODE HERE\n    raise NotImplementedError("tiny")\n'


@pytest.fixture
def course(tmp_path: Path) -> Course:
    """A course with one exercise, released."""
    course = make_course(tmp_path)
    release(course)
    return course


def _cells(course: Course, where: str) -> dict[str, Any]:
    notebook = json.loads((course.root / where / "01_tiny" / "tiny.ipynb").read_text())
    assert (4, 5) == (notebook["nbformat"], notebook["nbformat_minor"])
    return {cell["id"]: {**cell, "source": "".join(cell["source"])} for cell in notebook["cells"]}


def test_students_get_handout_stub_and_a_cell_for_each_check(course: Course) -> None:
    """In this order; a hidden check is a cell that says nothing of it."""
    cells = _cells(course, "assignments")
    assert ["handout", "setup", "tiny", "check", "test_double", "hidden_1"] == list(cells)
    assert cells["handout"]["source"].startswith("# A small one\n")
    assert "%load_ext autograder" == cells["setup"]["source"]
    assert f"%%exercise tiny\n{STUB}".rstrip("\n") == cells["tiny"]["source"]
    assert "%check tiny" == cells["check"]["source"]
    imported = "from autograder.notebook import grade"
    assert f'# Twice a number.\n{imported}\ngrade("tiny", "test_double")' == cells["test_double"]["source"]
    assert "# A hidden check." == cells["hidden_1"]["source"]


def test_demonstrations_come_before_the_work(tmp_path: Path) -> None:
    """A cell for each that belongs to the exercise, which nbgrader does not know; the others have none."""
    release(make_course(tmp_path, names=("processes",)))
    notebook = json.loads((tmp_path / "assignments" / "01_processes" / "processes.ipynb").read_text())
    cells = [(cell["id"], "".join(cell["source"]), "nbgrader" in cell["metadata"]) for cell in notebook["cells"]]
    assert [
        ("demo-who-is-who", "%demo who-is-who", False),
        ("demo-memory", "%demo memory", False),
    ] == cells[2:4]
    assert ["setup", "processes"] == [cells[1][0], cells[4][0]]


def test_nothing_of_solution_and_hidden_checks_is_released(course: Course) -> None:
    """Not in a cell, not in what nobody sees."""
    text = (course.root / "assignments" / "01_tiny" / "tiny.ipynb").read_text()
    for secret in ("2 * n", "test_others", "Other numbers", "BEGIN", "released"):
        assert secret not in text


def test_the_source_has_both(course: Course) -> None:
    """In nbgrader's own markers, so that its other commands understand it."""
    cells = _cells(course, "solutions")
    assert f"%%exercise tiny\n{REFERENCE}".rstrip("\n") == cells["tiny"]["source"]
    assert "### BEGIN HIDDEN TESTS\n# Other numbers, too.\n" in cells["hidden_1"]["source"]
    assert 'grade("tiny", "test_others")\n### END HIDDEN TESTS' in cells["hidden_1"]["source"]


def test_grade_cells_have_the_points_of_their_checks_and_are_locked(course: Course) -> None:
    """Hidden ones, too, so that the points add up; what is the student's can be edited."""
    cells = _cells(course, "assignments")
    ours = {name: cell["metadata"].get("nbgrader", {}) for name, cell in cells.items()}
    assert {"test_double": 4.0, "hidden_1": 6.0} == {n: m["points"] for n, m in ours.items() if "points" in m}
    assert ["tiny"] == [name for name, metadata in ours.items() if metadata.get("solution")]
    editable = {name for name, cell in cells.items() if cell["metadata"].get("editable", True)}
    assert {"tiny", "check"} == editable
    assert all(metadata["grade_id"] == name for name, metadata in ours.items() if metadata)


def test_equal_sources_give_equal_bytes(course: Course) -> None:
    """Ids are names, and nothing is of today: a second release writes nothing."""
    folder = course.get("tiny", "solutions")
    assert released_files(folder) == released_files(folder)
    assert () == release(course)


def test_a_notebook_that_was_changed_is_stale(course: Course) -> None:
    """So is one that is no longer made of the source."""
    (course.root / "solutions" / "01_tiny" / "README.md").write_text("# Another one\n")
    assert [
        "assignments/01_tiny/README.md: differs: release again",
        "assignments/01_tiny/tiny.ipynb: differs: release again",
    ] == list(stale(course))


@pytest.mark.parametrize(("where", "text"), [("solutions", REFERENCE), ("assignments", STUB)])
def test_the_grader_reads_what_it_makes(course: Course, where: str, text: str) -> None:
    """The module in the notebook is that of the file, below the line that stands for the magic."""
    source = read_notebook(course.root / where / "01_tiny" / "tiny.ipynb", "tiny")
    assert ("", text) == (source.problem, source.text.partition("\n")[2])


def test_after_nbgrader_the_assignment_is_completed(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nbgrader did not make is there, and what is nobody's to have is gone."""
    folder = course.root / "assignments" / "01_tiny"
    (folder / "test_tiny.py").unlink()
    (folder / "wrong").mkdir()
    (folder / "wrong" / "thrice.py").touch()
    (folder / "tiny.py").write_text(REFERENCE)
    monkeypatch.chdir(course.root)
    complete(assignment="01_tiny", student=".", notebooks=[])
    assert () == stale(course)
