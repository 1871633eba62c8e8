"""The rooms of the package, and which way imports run between them."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import autograder
from autograder.sandbox import Call, Ending, ZygoteSandbox

PACKAGE = Path(autograder.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

#: What each room may import of the others. `errors` and the package itself are open to all but `records`.
MAY_SEE = {
    "records": set(),
    "errors": set(),
    "catalog": {"records"},
    "sandbox": {"records"},
    "report": {"records"},
    "measure": {"records", "sandbox"},
    "demos": {"records", "report", "measure"},
    "checks": {"records", "catalog", "sandbox", "report", "measure"},
    "classroom": {"records", "catalog", "sandbox", "report", "measure", "checks", "demos"},
    "cli": {"records", "catalog", "sandbox", "report", "measure", "checks", "classroom", "demos"},
    "notebook": {"records", "catalog", "report", "checks", "classroom", "demos"},
    # The package itself, which %load_ext is told of.
    "__init__": {"notebook"},
}
#: Modules that run, wholly or in part, beside the student's code: there it may be imported.
INSIDE = {
    "sandbox/runner.py",
    "sandbox/zygote.py",
    "measure/explorer.py",
    "measure/guard.py",
    "measure/interleavings.py",
    "measure/rank.py",
    "measure/ranks.py",
    "notebook/modules.py",
}
#: What is imported only where it is needed, and where that is.
AT_HOME = {
    "IPython": {"notebook/magics.py"},
    "nbgrader": {"classroom/database.py", "classroom/gradebook.py", "classroom/notebooks.py", "classroom/release.py"},
    "nbformat": {"classroom/graded_notebooks.py", "classroom/notebooks.py", "classroom/release.py"},
    "sqlalchemy": {"classroom/database.py"},
    "alembic": {"classroom/database.py"},
}

LONGEST = 400


def _name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imports(path: Path) -> Iterator[str]:
    """Full names of everything that a module imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import; this test would miss where it leads"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _rooms_seen(path: Path) -> set[str]:
    parts = [name.split(".") for name in _imports(path)]
    return {name[1] for name in parts if name[0] == "autograder" and len(name) > 1} - {"__version__"}


def _calls(path: Path) -> set[str]:
    """What a module calls, as it is written: ``sys.exit``, ``eval``."""
    return {ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)}


def _loaded_by(statement: str) -> set[str]:
    """Top-level names of the modules that a fresh interpreter has after ``statement``."""
    code = f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r})\n{statement}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_every_room_is_known() -> None:
    """A new room must be given its place before anything can be put into it."""
    rooms = {_room(path) for path in MODULES}
    assert set(MAY_SEE) == rooms, "give the new room a place in MAY_SEE"


def test_imports_run_one_way() -> None:
    """A room sees only the rooms below it."""
    upward = {}
    for path in MODULES:
        room = _room(path)
        open_to_it = {room} | MAY_SEE.get(room, set()) | ({"errors"} if room != "records" else set())
        if beyond := _rooms_seen(path) - open_to_it:
            upward[_name(path)] = beyond
    assert {} == upward, "these import what lies above them or beside them"


def test_modules_are_short_enough_to_be_read() -> None:
    """No module has more than 400 lines."""
    lines = {_name(path): len(path.read_text().splitlines()) for path in MODULES}
    assert {} == {name: count for name, count in lines.items() if count > LONGEST}


def test_only_the_command_line_ends_the_process() -> None:
    """Whoever uses a room as a library gets an exception, never an exit."""
    others = [path for path in MODULES if _room(path) != "cli"]
    leaving = {_name(path): _calls(path) & {"sys.exit", "exit", "quit", "SystemExit"} for path in others}
    assert {} == {name: how for name, how in leaving.items() if how}


def test_the_grader_does_not_import_student_code() -> None:
    """Outside of the sandbox nothing imports by name, runs text, or reads a format that can run code."""
    importers = {"importlib", "runpy", "pickle", "marshal", "shelve", "dill", "cloudpickle", "code"}
    runners = {"eval", "exec", "compile", "__import__", "np.load", "numpy.load", "torch.load"}
    found = {}
    for path in MODULES:
        tops = {name.partition(".")[0] for name in _imports(path)}
        if _name(path) not in INSIDE and (used := tops & importers | _calls(path) & runners):
            found[_name(path)] = used
    assert {} == found


def test_notebooks_are_known_to_few() -> None:
    """IPython, nbgrader and what comes with it are imported by the modules that are about them, and by no other."""
    found: dict[str, set[str]] = {top: set() for top in AT_HOME}
    for path in MODULES:
        for top in {name.partition(".")[0] for name in _imports(path)} & set(AT_HOME):
            found[top].add(_name(path))
    assert AT_HOME == found


def test_checks_load_nothing_heavy() -> None:
    """What a student waits for when a check starts: neither torch nor nbgrader nor dask is in it."""
    rooms = "autograder.checks.plugin, autograder.checks.engine, autograder.classroom.own_work"
    loaded = _loaded_by(f"import autograder.checks, {rooms}, autograder.classroom.grading")
    assert "pytest" in loaded, "the probe sees what is loaded"
    assert set() == loaded & {
        "torch",
        "nbgrader",
        "nbconvert",
        "nbformat",
        "IPython",
        "dask",
        "distributed",
        "sqlalchemy",
    }


def test_the_command_line_starts_light() -> None:
    """``autograder --help`` loads none of the rooms."""
    loaded = _loaded_by("import autograder.cli")
    assert "click" in loaded, "the probe sees what is loaded"
    assert set() == loaded & {"pytest", "rich", "msgspec", "msgpack", "numpy", "torch", "nbgrader", "dask"}


def test_the_list_comes_at_once() -> None:
    """``autograder list`` reads files and runs nothing: it waits for no package that starts slowly."""
    listed = "CliRunner().invoke(main, ['list', '--course', '.'])"
    loaded = _loaded_by(f"from click.testing import CliRunner\nfrom autograder.cli import main\nprint({listed}.output)")
    assert "msgspec" in loaded, "the probe sees what is loaded"
    assert set() == loaded & {"pytest", "rich", "numpy", "torch", "psutil", "frontrun", "nbgrader", "nbformat"}


def test_the_zygote_is_small() -> None:
    """What the zygote has imported is in the memory of every submission: none of the grader's tools are."""
    listing = b"import sys\ndef loaded(): return sorted({name.partition('.')[0] for name in sys.modules})"
    with ZygoteSandbox() as sandbox:
        outcome = sandbox.run(Call({"probe.py": listing}, "probe", "loaded"))
    assert Ending.VALUE is outcome.ending, outcome.message
    assert {"autograder", "msgpack"} <= set(outcome.value), "the probe sees what is loaded"
    unwanted = {"pytest", "_pytest", "rich", "click", "torch", "nbgrader", "dask", "hypothesis", "numpy"}
    assert set() == set(outcome.value) & unwanted


def test_the_zygote_holds_no_room_above_it() -> None:
    """Neither exercises nor checks nor reports are in the memory that submissions inherit."""
    listing = b"import sys\ndef loaded(): return [name for name in sys.modules if name.startswith('autograder.')]"
    with ZygoteSandbox() as sandbox:
        outcome = sandbox.run(Call({"probe.py": listing}, "probe", "loaded"))
    assert {"errors", "records", "sandbox"} == {name.split(".")[1] for name in outcome.value}
