"""What students get is made from the solutions, and gives nothing away."""

import ast
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograder.catalog import Course
from autograder.catalog.notebooks import fingerprint
from autograder.classroom.release import release, released_files, stale
from autograder.errors import CatalogError, UsageError

TOML = """\
name = "{name}"
order = {order}
title = "A title"
summary = "A summary."
minutes = 20
hints = ["Which?"]
offers = ["f"]
"""

REFERENCE = '''\
"""A module."""

import os


def f(x: int) -> int:
    """Twice `x`."""
    ### BEGIN SOLUTION
    secret = 2 * x
    return secret
    ### END SOLUTION


def g() -> None:
    """Nothing."""
    if os.name:
        ### BEGIN SOLUTION
        secret = None
        return secret
        ### END SOLUTION
'''

STUB = '''\
"""A module."""

import os


def f(x: int) -> int:
    """Twice `x`."""
    # YOUR CODE HERE
    raise NotImplementedError("double")


def g() -> None:
    """Nothing."""
    if os.name:
        # YOUR CODE HERE
        raise NotImplementedError("double")
'''

CHECKS = '''\
"""Checks."""

import pytest


@pytest.mark.points(4)
def test_public():
    """Public."""


### BEGIN HIDDEN TESTS
@pytest.mark.points(6)
def test_secret():
    """Hidden."""
### END HIDDEN TESTS
'''

PUBLIC = '''\
"""Checks."""

import pytest


@pytest.mark.points(4)
def test_public():
    """Public."""
'''


def _write(root: Path, order: int, name: str, reference: str = REFERENCE, checks: str = CHECKS) -> Path:
    folder = root / "solutions" / f"{order:02d}_{name}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "exercise.toml").write_text(TOML.format(name=name, order=order))
    (folder / "README.md").write_text("# A handout\n")
    (folder / f"{name}.py").write_text(reference)
    (folder / f"test_{name}.py").write_text(checks)
    return folder


@pytest.fixture
def course(tmp_path: Path) -> Course:
    """A course of two exercises, one with a driver."""
    folder = _write(tmp_path, 1, "double")
    (folder / "driver.py").write_text("import math\n")
    (folder / "wrong").mkdir()
    (folder / "wrong" / "thrice.py").write_text("# fails: test_public\n# mistake: once too often\n")
    _write(tmp_path, 2, "halve")
    return Course(tmp_path)


def _released(course: Course) -> dict[str, str]:
    base = course.root / "assignments"
    return {str(path.relative_to(base)): path.read_text() for path in base.rglob("*") if path.is_file()}


def test_students_get_stub_public_checks_driver_and_handout(course: Course) -> None:
    """Solutions are replaced where they stood, hidden tests are gone, wrong submissions are not released."""
    release(course, "double")
    released = _released(course)
    assert released.pop("01_double/double.ipynb"), "the notebook has tests of its own"
    assert {
        "01_double/double.py": STUB,
        "01_double/test_double.py": PUBLIC,
        "01_double/driver.py": "import math\n",
        "01_double/exercise.toml": f'released = "{fingerprint(STUB)}"\n' + TOML.format(name="double", order=1),
        "01_double/README.md": "# A handout\n",
    } == released


def test_a_release_is_a_course_that_students_can_use(course: Course) -> None:
    """All exercises are there, and can be read without the solutions."""
    release(course)
    assert ["double", "halve"] == [folder.exercise.name for folder in course.exercises("assignments")]


def test_what_release_writes_is_not_written_by_hand(course: Course) -> None:
    """A fingerprint in the source would stand there twice in what students get."""
    path = course.root / "solutions" / "01_double" / "exercise.toml"
    path.write_text('released = "0"\n' + path.read_text())
    with pytest.raises(CatalogError, match=r"exercise\.toml: released: .*take it out"):
        release(course)


def test_only_files_that_differ_are_written(course: Course) -> None:
    """A second release writes nothing; a changed file is written again, alone."""
    assert 13 == len(release(course))
    assert () == release(course)
    changed = course.root / "assignments" / "02_halve" / "halve.py"
    changed.write_text("mine")
    assert (changed,) == release(course)
    assert "mine" != changed.read_text()


def test_stale_names_every_file_that_release_would_change(course: Course) -> None:
    """Missing, changed and left-over files are named; caches are not."""
    release(course)
    assert () == stale(course)
    base = course.root / "assignments"
    (base / "01_double" / "double.py").write_text("mine")
    (base / "01_double" / "driver.py").unlink()
    (base / "03_gone").mkdir()
    (base / "03_gone" / "gone.py").touch()
    (base / "02_halve" / "__pycache__").mkdir()
    (base / "02_halve" / "__pycache__" / "halve.pyc").touch()
    assert (
        "assignments/01_double/double.py: differs: release again",
        "assignments/01_double/driver.py: missing: release again",
        "assignments/03_gone/gone.py: left over: remove it",
    ) == stale(course)


def test_everything_is_stale_before_the_first_release(course: Course) -> None:
    """A course without assignments has eleven files missing."""
    assert 11 == len(stale(course))


def test_a_stub_of_its_own_replaces_the_solution(course: Course) -> None:
    """The text of stub.py takes the place of the region, at its indentation; empty lines are empty."""
    folder = _write(
        course.root,
        3,
        "race",
        'class A:\n    """An account."""\n\n    ### BEGIN SOLUTION\n    secret = 1\n    ### END SOLUTION\n',
    )
    (folder / "stub.py").write_text("def f(self):\n    return 1\n\ndef g(self):\n    return 2\n\n\n")
    release(course, "race")
    expected = (
        'class A:\n    """An account."""\n\n    def f(self):\n        return 1\n\n    def g(self):\n        return 2\n'
    )
    assert expected == _released(course)["03_race/race.py"]
    assert "03_race/stub.py" not in _released(course)


def test_a_stub_of_its_own_needs_a_single_region(course: Course) -> None:
    """Where would the text go? The second region is named."""
    folder = course.root / "solutions" / "01_double"
    (folder / "stub.py").write_text("return 1\n")
    with pytest.raises(CatalogError, match=r"double\.py:17: a second solution region"):
        release(course)


B, E = "### BEGIN SOLUTION\n", "### END SOLUTION\n"


@pytest.mark.parametrize(
    ("reference", "where"),
    [
        (B + "x = 1\n", "1: .*without '### END SOLUTION' after"),
        ("x = 1\n" + E, "2: .*without '### BEGIN SOLUTION' before"),
        (B + B + E + E, "2: .*inside the region that begins in line 1"),
        (B + E + "x = 1\n" + E, "4: .*without"),
        ("x = 1\n", "1: .*the whole solution would be released"),
        ("# BEGIN SOLUTION\nx = 1\n# END SOLUTION\n", "1: .*looks like a marker"),
        ("###BEGIN SOLUTION\nx = 1\n### END SOLUTION\n", "1: .*looks like a marker"),
        (B + "x = 1\n### END SOLUTIONS\n", "3: .*looks like a marker"),
        ("### Begin Solution\nx = 1\n### end_solution\n", "1: .*looks like a marker"),
        ('"""Fill in BEGIN SOLUTION."""\n' + B + E, "1: .*looks like a marker"),
        (B + E + "### BEGIN HIDDEN TESTS\n### END HIDDEN TESTS\n", "3: .*looks like a marker"),
        ("x = (\n" + B + "1)\n" + E, "1: .*of what would be released"),
    ],
)
def test_markers_that_would_give_a_solution_away_are_refused(course: Course, reference: str, where: str) -> None:
    """File and line are named, and nothing is written."""
    (course.root / "solutions" / "02_halve" / "halve.py").write_text(reference)
    with pytest.raises(CatalogError, match=rf"halve\.py:{where}"):
        release(course)
    assert not (course.root / "assignments").exists()


@pytest.mark.parametrize("name", ["driver.py", "README.md", "exercise.toml", "test_double.py"])
def test_no_other_file_may_have_a_solution(course: Course, name: str) -> None:
    """A marker in a file that is released as it is would be released with it."""
    path = course.root / "solutions" / "01_double" / name
    text = path.read_text()
    path.write_text(f"{text}# ### BEGIN SOLUTION\n")
    line = text.count("\n") + 1
    with pytest.raises(CatalogError, match=rf"{name}:{line}: .*looks like a marker"):
        release(course)


def test_hidden_tests_without_an_end_are_refused(course: Course) -> None:
    """They are not cut off at the end of the file, nor left in."""
    path = course.root / "solutions" / "01_double" / "test_double.py"
    path.write_text(CHECKS.replace("### END HIDDEN TESTS\n", ""))
    with pytest.raises(CatalogError, match=r"test_double\.py:11: .*without"):
        stale(course)


@pytest.mark.parametrize("name", ["double.py", "test_double.py", "README.md"])
def test_a_missing_file_is_named(course: Course, name: str) -> None:
    """An exercise without stub, checks or handout cannot be released."""
    (course.root / "solutions" / "01_double" / name).unlink()
    with pytest.raises(CatalogError, match=rf"{name}: there is no such file"):
        release(course)


def test_an_unknown_exercise_is_refused(course: Course) -> None:
    """The nearest name is offered."""
    with pytest.raises(UsageError, match="did you mean 'double'"):
        release(course, "doubel")


def test_without_nbgrader_the_remedy_is_told(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says what to install."""
    monkeypatch.setitem(sys.modules, "nbgrader.preprocessors", None)
    with pytest.raises(UsageError, match=r"pip install 'autograder\[nbgrader\]'") as error:
        release(course)
    assert "\n" not in str(error.value)


CODE = st.lists(st.sampled_from(["x = 1", "", "if x:\n    y = 'é'", "# a comment", '"""text\n \t\n"""']), max_size=4)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(CODE, CODE), min_size=1, max_size=4), st.sampled_from(["", "    "]))
def test_no_line_of_a_solution_survives(course: Course, blocks: list[tuple[list[str], list[str]]], indent: str) -> None:
    """Whatever surrounds them: regions are gone, the rest is there, and equal sources give equal bytes."""
    lines = ["def f():" if indent else "x = 0"]
    for outside, inside in blocks:
        body = [*outside, "### BEGIN SOLUTION", "secret = 1", *inside, "### END SOLUTION"]
        lines.append(textwrap.indent("\n".join(body), indent))
    (course.root / "solutions" / "01_double" / "double.py").write_text("\n".join(lines))
    folder = course.get("double")
    content = released_files(folder)["double.py"]
    text = content.decode()
    ast.parse(text)
    assert "secret" not in text
    assert "SOLUTION" not in text
    assert len(blocks) == text.count('raise NotImplementedError("double")')
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert sum(block.count("# a comment") for block, _ in blocks) == text.count("# a comment")
    assert content == released_files(folder)["double.py"]
