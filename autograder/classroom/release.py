"""Makes ``assignments/`` from ``solutions/``: what students get, without solutions and hidden tests.

The regions are taken out by nbgrader's own preprocessors, so that a file and a notebook made from it agree.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from autograder.catalog import Course, ExerciseFolder
from autograder.catalog.markers import RegionKind, regions
from autograder.catalog.notebooks import fingerprint
from autograder.catalog.text import one_line, read_own
from autograder.errors import CatalogError, UsageError

#: Never part of a release, and no sign that it is stale.
_CACHES = frozenset({"__pycache__", ".pytest_cache", ".ipynb_checkpoints"})


def release(course: Course, only: str | None = None) -> tuple[Path, ...]:
    """Write ``assignments/`` anew, or the exercise `only` in it. Gives the files that had to be written.

    The source notebooks, which nbgrader wants to find in ``solutions/``, are written as well.
    Files that are as they should be are not touched. What does not belong there stays: `stale` names it.

    Raises:
        CatalogError: Markers that do not match, or a file that is missing or would not be Python. Nothing has
            been written then.
        UsageError: nbgrader is not installed, or no exercise is called `only`.
    """
    chosen = course.exercises("solutions") if only is None else (course.get(only, "solutions"),)
    wanted = _wanted(course, chosen) | {_notebook_of(folder): _source_notebook(folder) for folder in chosen}
    outdated = tuple(path for path, content in wanted.items() if _content(path) != content)
    for path in outdated:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(wanted[path])
    return outdated


def complete(assignment: str, student: str, notebooks: Iterable[str]) -> None:  # noqa: ARG001 - nbgrader names them
    """nbgrader's ``post_convert_hook``: what students get beside the notebook that it has made, and nothing else."""
    course = Course.find()
    release(course, assignment)
    folder = course.get(assignment, "solutions")
    wanted = _wanted(course, [folder])
    for path in _files(_target(course) / folder.path.name):
        if path not in wanted:
            path.unlink()


def stale(course: Course) -> tuple[str, ...]:
    """One line for every file in ``assignments/`` that is not what `release` writes, or not of its making.

    Raises:
        CatalogError: As `release` does.
        UsageError: As `release` does.
    """
    wanted = _wanted(course, course.exercises("solutions"))
    lines = {path: "left over: remove it" for path in _files(_target(course)) if path not in wanted}
    for path, content in wanted.items():
        present = _content(path)
        if present != content:
            lines[path] = "missing: release again" if present is None else "differs: release again"
    return tuple(f"{one_line(path.relative_to(course.root))}: {lines[path]}" for path in sorted(lines))


def released_files(folder: ExerciseFolder) -> dict[str, bytes]:
    """Name and content of each file that students get of an exercise.

    Raises:
        CatalogError: Markers that do not match, or a file that is missing or would not be Python.
        UsageError: nbgrader is not installed.
    """
    stub = stub_of(folder)
    files = {
        folder.reference.name: stub,
        folder.tests.name: _public(folder.tests),
        "exercise.toml": _described(folder, stub),
        "README.md": _as_it_is(folder.path / "README.md"),
    }
    if folder.driver is not None:
        files[folder.driver.name] = _as_it_is(folder.driver)
    if folder.yardstick is not None:
        files[folder.yardstick.name] = _public(folder.yardstick)
    from autograder.classroom.notebooks import released_notebook  # nbgrader is there: the stub was made with it

    notebook = {_notebook_of(folder).name: released_notebook(folder, stub)}
    return {name: text.encode() for name, text in files.items()} | notebook


def _described(folder: ExerciseFolder, stub: str) -> str:
    """The ``exercise.toml`` that students get: it tells the stub, so that it can be told what they changed."""
    path = folder.path / "exercise.toml"
    if folder.exercise.released:
        raise CatalogError(f"{one_line(path)}: released: written by 'autograder release' only; take it out")
    return f'released = "{fingerprint(stub)}"\n{_as_it_is(path)}'


def _source_notebook(folder: ExerciseFolder) -> bytes:
    from autograder.classroom.notebooks import source_notebook

    return source_notebook(folder, stub_of(folder))


def _notebook_of(folder: ExerciseFolder) -> Path:
    return folder.reference.with_suffix(".ipynb")


def _target(course: Course) -> Path:
    return course.root / "assignments"


def _wanted(course: Course, chosen: Iterable[ExerciseFolder]) -> dict[Path, bytes]:
    """Path and content of all files that the release of `chosen` consists of."""
    return {
        _target(course) / folder.path.name / name: content
        for folder in chosen
        for name, content in released_files(folder).items()
    }


def stub_of(folder: ExerciseFolder) -> str:
    """The reference with its solution regions replaced.

    Raises:
        CatalogError: Markers that do not match, or a file that is missing or would not be Python.
        UsageError: nbgrader is not installed.
    """
    path = folder.reference
    text = read_own(path)
    found = regions(text, path, "SOLUTION")
    if not found:
        raise CatalogError(f"{one_line(path)}:1: no '### BEGIN SOLUTION': the whole solution would be released")
    replacement = f'# YOUR CODE HERE\nraise NotImplementedError("{folder.exercise.name}")'
    if folder.stub:
        if len(found) > 1:
            line = found[1].first
            raise CatalogError(f"{one_line(path)}:{line}: a second solution region; with a stub.py there is one")
        replacement = _as_it_is(folder.stub).rstrip("\n")
    return _python(path, _cleared(text, "SOLUTION", replacement))


def _public(path: Path) -> str:
    """A file without its hidden regions."""
    text = read_own(path)
    regions(text, path, "HIDDEN TESTS")
    return _python(path, _cleared(text, "HIDDEN TESTS"))


def _as_it_is(path: Path) -> str:
    """A file that is released unchanged and must have no markers."""
    text = read_own(path)
    regions(text, path, None)
    return _tidy(text)


def _cleared(text: str, kind: RegionKind, replacement: str = "") -> str:
    """`text` with nbgrader's idea of its regions replaced, or removed if they are hidden tests."""
    try:
        from nbformat.v4 import new_code_cell, new_notebook
        from nbgrader.preprocessors import ClearHiddenTests, ClearSolutions
    except ImportError as error:
        raise UsageError(f"release needs nbgrader ({error}): pip install 'autograder[nbgrader]'") from None
    solution = kind == "SOLUTION"
    # What nbgrader asks of a cell before it touches it: an answer for a solution, a test for hidden tests.
    nature = {"grade_id": "file", "schema_version": 3, "task": False, "locked": not solution}
    cell = new_code_cell(text, metadata={"nbgrader": {**nature, "solution": solution, "grade": not solution}})
    clear = ClearSolutions(code_stub={"python": replacement}) if solution else ClearHiddenTests()
    notebook, _ = clear.preprocess(new_notebook(cells=[cell]), {})
    return _tidy(str(notebook.cells[0].source))


def _tidy(text: str) -> str:
    """`text` without blanks in empty lines (nbgrader indents those of a stub), ending in one newline."""
    return re.sub(r"^[ \t]+$", "", text, flags=re.MULTILINE).rstrip("\n") + "\n"


def _python(path: Path, text: str) -> str:
    """`text`, made from `path`, after a look at whether it is Python."""
    try:
        ast.parse(text)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        why = f"{getattr(error, 'msg', error)} in line {line} of what would be released"
        raise CatalogError(f"{one_line(path)}:1: {why}") from None
    return text


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _files(base: Path) -> Iterator[Path]:
    """Every file below `base` that is no cache."""
    for path in base.rglob("*"):
        if path.is_file() and not _CACHES.intersection(path.relative_to(base).parts):
            yield path
