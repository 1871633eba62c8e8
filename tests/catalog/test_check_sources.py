"""What checks say of themselves, read without running them."""

from pathlib import Path

import pytest

from autograder.catalog import read_checks
from autograder.errors import CatalogError
from autograder.records import CheckInfo, Kind

HEAD = '"""Checks."""\nimport pytest\nraise SystemExit("never run")\n'


def _write(tmp_path: Path, body: str) -> Path:
    path = tmp_path / "test_race.py"
    path.write_text(HEAD + body)
    return path


def _check(name: str, *marks: str, title: str = "A promise.") -> str:
    decorators = "".join(f"@pytest.mark.{mark}\n" for mark in marks)
    return f'{decorators}def {name}(submission):\n    """{title}\n\n    More."""\n'


def test_a_check_is_read_from_its_marks_and_docstring(tmp_path: Path) -> None:
    """Title, kind, points, needs and whether it is hidden are all found, in the order of the file."""
    path = _write(
        tmp_path,
        "def helper():\n    pass\n"
        + _check("test_a", "points(1.5)")
        + _check("test_b", "points(2)", 'kind("cleanup")', 'needs("test_a")', "parametrize('x', [1])")
        + "### BEGIN HIDDEN TESTS\n"
        + _check("test_c", "points(0)", 'needs("test_a", "test_b")', title="Hidden.")
        + "### END HIDDEN TESTS\n",
    )
    assert (
        CheckInfo(name="test_a", title="A promise.", kind=Kind.CORRECTNESS, points=1.5, hidden=False),
        CheckInfo(name="test_b", title="A promise.", kind=Kind.CLEANUP, points=2.0, hidden=False, needs=("test_a",)),
        CheckInfo(
            name="test_c",
            title="Hidden.",
            kind=Kind.CORRECTNESS,
            points=0.0,
            hidden=True,
            needs=("test_a", "test_b"),
        ),
    ) == read_checks(path)


def test_a_file_without_checks_gives_none(tmp_path: Path) -> None:
    """No check is no mistake of this reading."""
    assert () == read_checks(_write(tmp_path, ""))


@pytest.mark.parametrize(
    ("body", "line", "why"),
    [
        (_check("test_a"), 4, "points"),
        (_check("test_a", "points"), 4, "points"),
        (_check("test_a", "points()"), 4, "points"),
        (_check("test_a", "points(-1)"), 5, "points"),
        (_check("test_a", "points(True)"), 5, "points"),
        (_check("test_a", 'points("2")'), 5, "points"),
        (_check("test_a", "points(1, 2)"), 5, "points"),
        (_check("test_a", "points(1e999)"), 5, "points"),
        (_check("test_a", "points(SOME)"), 4, "points"),
        (_check("test_a", "points(value=1)"), 4, "points"),
        (_check("test_a", "points(1)", "points(1)"), 5, "twice"),
        (_check("test_a", "points(1)", 'kind("speed")'), 6, "kind"),
        (_check("test_a", "points(1)", "kind(3)"), 6, "kind"),
        (_check("test_a", "points(1)", 'needs("test_b")') + _check("test_b", "points(1)"), 6, "test_b"),
        (_check("test_a", "points(1)", 'needs("test_a")'), 6, "test_a"),
        (_check("test_a", "points(1)", "needs(3)"), 6, "needs"),
        ("@pytest.mark.points(1)\ndef test_a():\n    pass\n", 5, "docstring"),
        ('@pytest.mark.points(1)\ndef test_a():\n    " "\n', 5, "docstring"),
        (_check("test_a", "points(1)") * 2, 10, "second check"),
        ("async " + _check("test_a"), 4, "plain"),
        ("class TestIt:\n    pass\n", 4, "plain"),
        ("if True:\n    def test_a():\n        pass\n", 5, "plain"),
        ("def test_a(:\n", 4, "not Python"),
        ("### BEGIN HIDDEN TESTS\n", 4, "without"),
        ("x = 1\n### END HIDDEN TESTS\n", 5, "without"),
        ("### BEGIN HIDDEN TESTS\n### BEGIN HIDDEN TESTS\n", 5, "inside"),
        ("# BEGIN HIDDEN TESTS\n", 4, "looks like a marker"),
        ("### Begin Hidden Test\n", 4, "looks like a marker"),
        ("### BEGIN SOLUTION\n", 4, "looks like a marker"),
        ("def test_a():\n    ### BEGIN HIDDEN TESTS\n    pass\n    ### END HIDDEN TESTS\n", 4, "docstring"),
        (
            _check("test_a", "points(1)") + "    ### BEGIN HIDDEN TESTS\n    pass\n    ### END HIDDEN TESTS\n",
            5,
            "partly",
        ),
        (
            "@pytest.mark.points(1)\n### BEGIN HIDDEN TESTS\n" + _check("test_a") + "### END HIDDEN TESTS\n",
            6,
            "partly",
        ),
        (
            f"### BEGIN HIDDEN TESTS\n{_check('test_a', 'points(1)')}### END HIDDEN TESTS\n"
            + _check("test_b", "points(1)", 'needs("test_a")'),
            13,
            "do not get",
        ),
    ],
)
def test_a_mistake_is_named_with_file_and_line(tmp_path: Path, body: str, line: int, why: str) -> None:
    """An author is led to the place, in one line."""
    path = _write(tmp_path, body)
    with pytest.raises(CatalogError) as error:
        read_checks(path)
    text = str(error.value)
    assert text.startswith(f"{path}:{line}: "), text
    assert why in text
    assert "\n" not in text


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"x = '\xe9'\n", b"\x00"])
def test_a_file_that_cannot_be_read_is_a_mistake_of_the_course(tmp_path: Path, content: bytes | None) -> None:
    """Missing files and odd bytes are named, too."""
    path = tmp_path / "test_race.py"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CatalogError, match=r"test_race\.py"):
        read_checks(path)
