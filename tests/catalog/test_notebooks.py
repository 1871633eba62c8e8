"""Reading the work in a notebook."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.catalog.notebooks import LARGEST_NOTEBOOK, cell_module, read_notebook

HEAD = "# -*- coding: utf-8 -*- %%exercise race\n"


def _notebook(*sources: object, **more: object) -> bytes:
    cells = [{"cell_type": "code", "id": str(n), "metadata": {}, "source": text} for n, text in enumerate(sources)]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells, **more}).encode()


def _read(folder: Path, data: bytes) -> tuple[str, str]:
    path = folder / "race.ipynb"
    path.write_bytes(data)
    source = read_notebook(path, "race")
    return source.text, source.problem


@pytest.mark.parametrize(
    "source",
    [
        "%%exercise race\nx = 1\n",
        "%%exercise 03_race  \nx = 1",
        "\n%%exercise race\nx = 1",
        ["%%exercise race\n", "x = 1\n"],
        "%%exercise race\r\nx = 1\r\n",
    ],
)
def test_the_exercises_cell_is_the_module(tmp_path: Path, source: object) -> None:
    """Whatever way Jupyter has written it; its lines keep the numbers that the notebook shows."""
    assert (f"{HEAD}x = 1\n", "") == _read(tmp_path, _notebook("import os", source, "!ls", "%%exercise seeding\ny = 1"))


def test_the_last_of_several_cells_counts(tmp_path: Path) -> None:
    """As it does for whoever runs the notebook from top to bottom."""
    assert f"{HEAD}x = 2\n" == _read(tmp_path, _notebook("%%exercise race\nx = 1", "%%exercise race\nx = 2"))[0]


def test_only_code_is_code(tmp_path: Path) -> None:
    """Text about the exercise is no work."""
    cell = {"cell_type": "markdown", "source": "%%exercise race\nx = 1"}
    assert ("", "no cell in it begins with '%%exercise race'") == _read(tmp_path, _notebook(cells=[cell]))


@pytest.mark.parametrize(
    ("body", "line", "shown"),
    [
        ("%matplotlib inline\nx = 1", 2, "%matplotlib inline"),
        ("x = 1\n!pip install numpy\n", 3, "!pip install numpy"),
        ("def f():\n    pass\n\n    %time f()", 5, "%time f()"),
        ("files = !ls", 2, "files = !ls"),
        ("took = %timeit -o f()", 2, "took = %timeit -o f()"),
        ("# first\n\n%%time\nx = 1", 4, "%%time"),
        ("!echo \x1b'\u202e" + "x" * 999, 2, "!echo \\x1b'\\u202e" + "x" * 63),
    ],
)
def test_jupyters_own_syntax_is_named(body: str, line: int, shown: str) -> None:
    """The line, as the notebook counts it, and what to do."""
    problem = cell_module("race", body).problem
    assert f"line {line} of its cell, '{shown}', is Jupyter's and not Python's: move it" in problem


@pytest.mark.parametrize(
    "body",
    ['"""\n!ls\n%time\n"""\nx = 1', "x = (7\n  % 3)", "x = 7 \\\n  % 3", "# !ls\nx = a != b", "x = f('%d' % 1, y='!')"],
)
def test_signs_inside_of_python_are_pythons(body: str) -> None:
    """A remainder on a line of its own, or text, is no magic."""
    assert (f"{HEAD}{body}\n", "") == (cell_module("race", body).text, cell_module("race", body).problem)


def test_what_is_no_python_is_left_to_its_import() -> None:
    """The traceback of the import tells more than a reader could."""
    assert f"{HEAD}x = (\n% 1\n" == cell_module("race", "x = (\n% 1").text


def test_a_declared_encoding_does_not_change_the_text(tmp_path: Path) -> None:
    """JSON has said what the characters are."""
    text, _ = _read(tmp_path, _notebook("%%exercise race\n# coding: latin-1\nx = 'é'\n"))
    found: dict[str, object] = {}
    exec(compile(text.encode(), "race.py", "exec"), found)
    assert "é" == found["x"]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "no notebook"),
        (b"null", "no notebook"),
        (b"{}", "no notebook"),
        (b"\xff", "no notebook"),
        (b'{"nbformat": 4, "cells": ' + b"[" * 200_000, "no notebook"),
        (b'{"nbformat": 4, "x": ' + b"[" * 200_000, "no notebook"),
        (_notebook(nbformat=3), "its format is 3, not 4"),
        (_notebook(nbformat=5), "its format is 5, not 4"),
        (_notebook(7), "no notebook"),
        (_notebook("%%exercise race\n'\ud800'"), "no notebook"),
        (_notebook(), "no cell in it begins with '%%exercise race'"),
        (_notebook("%%exercise racer\nx = 1"), "no cell"),
        (_notebook("x = 1\n%%exercise race\n"), "no cell"),
        (_notebook("%%exercise race\n" + "#" * 1_000_001), "its cell has 1,000,001 characters"),
        (b" " * (LARGEST_NOTEBOOK + 1), "clear its outputs"),
    ],
)
def test_what_cannot_be_read_is_a_problem_in_one_line(tmp_path: Path, data: bytes, problem: str) -> None:
    """The reason is told, and nothing is raised."""
    text, told = _read(tmp_path, data)
    assert "" == text
    assert problem in told
    assert "\n" not in told


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    """A pipe, a folder, and nothing."""
    os.mkfifo(tmp_path / "pipe.ipynb")
    assert "it is not a regular file" == read_notebook(tmp_path / "pipe.ipynb", "race").problem
    assert "it is not a regular file" == read_notebook(tmp_path, "race").problem
    assert "it cannot be read" in read_notebook(tmp_path / "none.ipynb", "race").problem
    assert "no file has such a name" in read_notebook(tmp_path / "null\0.ipynb", "race").problem


TEXT = st.text(st.sampled_from("%!=()\"'\\\n \tx#é\0\x0c:"), max_size=30)


@given(TEXT | st.text(max_size=30))
def test_no_text_of_a_cell_makes_the_reader_raise(body: str) -> None:
    """There is a module or a problem, never both, and only the newlines at its end may differ."""
    source = cell_module("race", body)
    assert source.problem.isprintable()
    assert len(source.problem) < 300
    assert bool(source.text) != bool(source.problem)
    if source.text:
        assert HEAD + body.rstrip("\n") + "\n" == source.text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["cell_type", "source", "x"]), inner),
    max_leaves=8,
)


@given(st.binary(max_size=50) | JSON.map(lambda cells: json.dumps({"nbformat": 4, "cells": cells}).encode()))
def test_no_file_makes_the_reader_raise(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Bytes of any kind, and notebooks of any shape, without the cell that is looked for."""
    text, problem = _read(tmp_path_factory.getbasetemp(), data)
    assert "" == text
    assert problem
