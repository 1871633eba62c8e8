"""The magics, by themselves and in a kernel."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from autograder.errors import UsageError
from autograder.records import Kind, Outcome, Result, Verdict
from tests.fakes import make_course

pytest.importorskip("IPython")

from IPython.core.error import UsageError as NotebookUsageError

from autograder.notebook import magics


class _Session:
    """Knows one exercise, and what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bool]] = []

    def define(self, name: str, body: str) -> ModuleType:
        if name != "tiny":
            raise UsageError("no such exercise")
        module = ModuleType(name)
        exec(body, vars(module))
        return module

    def check(self, name: str, *, timelines: bool) -> Result:
        self.asked.append((name, timelines))
        verdict = Verdict(
            name="test_double",
            title="Twice <a> number.",
            kind=Kind.CORRECTNESS,
            outcome=Outcome.FAILED,
            score=0,
            points=4,
        )
        return Result(student="", exercise="tiny", path="", score=0, points=4, seconds=0, checks=(verdict,))


class _Shell:
    """A notebook, as far as the magics know it."""

    def __init__(self) -> None:
        self.session = _Session()
        self.names: dict[str, object] = {}
        self.magics: dict[str, Callable[..., None]] = {}
        magics.register(self, self.session)  # type: ignore[arg-type]

    def register_magic_function(self, function: Callable[..., None], magic_kind: str, magic_name: str) -> None:
        self.magics[{"cell": "%%", "line": "%"}[magic_kind] + magic_name] = function

    def push(self, names: dict[str, object]) -> None:
        self.names.update(names)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, str]]]:
    """What was displayed."""
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    found: list[dict[str, str]] = []
    monkeypatch.setattr(magics, "display", lambda data, raw: found.append(data))  # noqa: ARG005
    return found


def test_what_the_module_offers_can_be_used_in_other_cells() -> None:
    """And the module itself; what begins with an underscore stays in it."""
    shell = _Shell()
    shell.magics["%%exercise"](" tiny ", "def double(n): return _twice(n)\ndef _twice(n): return 2 * n")
    assert {"tiny", "double"} == set(shell.names)


@pytest.mark.parametrize(
    ("line", "asked"),
    [("", ("", False)), (" race ", ("race", False)), ("--timeline", ("", True)), ("--timeline race", ("race", True))],
)
def test_check_shows_a_table(line: str, asked: tuple[str, bool], shown: list[dict[str, str]]) -> None:
    """As HTML, and as text where there is none."""
    shell = _Shell()
    shell.magics["%check"](line)
    assert [asked] == shell.session.asked
    (data,) = shown
    assert "Twice &lt;a&gt; number." in data["text/html"]
    assert "Twice <a> number." in data["text/plain"]
    assert ("No call was made" in data["text/html"]) is asked[1]


def test_demo_draws(shown: list[dict[str, str]]) -> None:
    """As HTML, and as text where there is none, with the size as it was chosen."""
    _Shell().magics["%demo"](" race --size 3 ")
    (data,) = shown
    for kind in ("text/html", "text/plain"):
        assert "3 of 6 updates lost" in data[kind]
    assert data["text/html"].startswith("<div")


@pytest.mark.usefixtures("shown")
def test_wrong_usage_is_one_line() -> None:
    """No traceback of ours."""
    shell = _Shell()
    for magic, *arguments in (
        ("%check", "race --timelines"),
        ("%check", "a b"),
        ("%%exercise", "tinny", "x = 1"),
        ("%demo", ""),
        ("%demo", "rice"),
        ("%demo", "race --size many"),
        ("%demo", "race --size 0"),
    ):
        with pytest.raises(NotebookUsageError) as error:
            shell.magics[magic](*arguments)
        assert "\n" not in str(error.value)


def test_under_nbgrader_the_grade_cells_do_the_checking(
    monkeypatch: pytest.MonkeyPatch, shown: list[dict[str, str]]
) -> None:
    """A class is not graded twice, and nothing is measured beside it."""
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    shell = _Shell()
    shell.magics["%check"]("race")
    shell.magics["%demo"]("race")
    assert ([], []) == (shown, shell.session.asked)


#: Runs cells in a kernel, in a process of its own, and writes what they gave.
KERNEL = """
import json, sys
import nbformat.v4 as v4
from nbclient import NotebookClient

notebook = v4.new_notebook(cells=[v4.new_code_cell(text) for text in json.load(sys.stdin)])
NotebookClient(notebook, kernel_name="python3", timeout=100).execute()
json.dump([cell.outputs for cell in notebook.cells], sys.stdout)
"""

POOLS = """%%exercise tiny
import multiprocessing

def double(n):
    return 2 * n

def pooled(method):
    with multiprocessing.get_context(method).Pool(2) as pool:
        return pool.map_async(double, range(3)).get(60)
"""


def _run(folder: Path, *cells: str) -> list[list[dict[str, Any]]]:
    done = subprocess.run(
        [sys.executable, "-c", KERNEL],
        cwd=folder,
        input=json.dumps(cells),
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert 0 == done.returncode, done.stderr
    found: list[list[dict[str, Any]]] = json.loads(done.stdout)
    return found


def test_in_a_kernel(tmp_path: Path) -> None:
    """Processes of every start method find the code of a cell, also after it was changed; checks and grade cells work."""
    pytest.importorskip("ipykernel")
    make_course(tmp_path)
    pools = "[pooled(method) for method in ('fork', 'forkserver', 'spawn')]"
    (_, _, before, _, after, table, points) = _run(
        tmp_path / "solutions" / "01_tiny",
        "%load_ext autograder",
        POOLS,
        pools,
        POOLS.replace("2 * n", "3 * n"),
        pools,
        "%check",
        'from autograder.notebook import grade\ngrade("tiny", "test_double")',
    )
    assert "[[0, 2, 4], [0, 2, 4], [0, 2, 4]]" == before[0]["data"]["text/plain"]
    assert "[[0, 3, 6], [0, 3, 6], [0, 3, 6]]" == after[0]["data"]["text/plain"]
    assert "Twice 21 is 42, not 63." in "".join(table[0]["data"]["text/html"])
    assert ["stdout", "0.0"] == [points[0]["name"], points[1]["data"]["text/plain"]]
    assert "Twice 21 is 42, not 63." in points[0]["text"]
