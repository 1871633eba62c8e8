"""What comes back from a call: a value, an exception, or one plain reason why there is none."""

from collections.abc import Callable

import pytest

from autograder.checks import fingerprint
from autograder.sandbox import Call, Ending, Function, Outcome, ZygoteSandbox
from autograder.sandbox.wire import WireError

Run = Callable[..., Outcome]

FACTORIAL = """\
import math

def f(n):
    return helper(n)

def helper(n):
    return math.factorial(n)
"""


def test_a_value_comes_back(run: Run) -> None:
    """What the function returns arrives as it is, with what it was given."""
    value = [None, True, 2, 0.5, "text", b"bytes", (1, (2, 3)), {"key": [4]}, 2**70, 1j]
    outcome = run("def f(value): return [value, type(value[6]).__name__]", value)
    assert (Ending.VALUE, [value, "tuple"]) == (outcome.ending, outcome.value), outcome.message


def test_arrays_come_back_bit_by_bit(run: Run) -> None:
    """An array made in the sandbox is the same array outside."""
    import numpy as np

    outcome = run("import numpy as np\ndef f(): return np.arange(6.0).reshape(2, 3) / 7")
    assert fingerprint(np.arange(6.0).reshape(2, 3) / 7) == fingerprint(outcome.value)


def test_named_arguments_arrive(sandbox: ZygoteSandbox) -> None:
    """Arguments that the caller names arrive under their names."""
    call = Call({"m.py": b"def f(a, *, b): return a, b"}, "m", "f", (1,), {"b": 2})
    assert (1, 2) == sandbox.run(call).value


def test_functions_arrive_as_functions(run: Run) -> None:
    """A function that is named in the arguments is the real one inside, however deep it stands in them."""
    outcome = run(
        "def f(inside): return inside['call'][0](20)",
        {"call": [Function("other", "double")]},
        files={"other.py": "def double(n): return 2 * n"},
    )
    assert 40 == outcome.value, outcome.message


def test_arguments_that_cannot_travel_are_the_callers_fault(run: Run) -> None:
    """What the grader cannot send raises in the grader; it is no verdict about a submission."""
    with pytest.raises(WireError, match="object"):
        run("def f(x): return 1", object())


def test_an_exception_comes_back_as_text(run: Run) -> None:
    """An exception arrives with its type, its message, and the lines of the traceback in the student's own file."""
    outcome = run(FACTORIAL, -1)
    assert (Ending.RAISED, "ValueError") == (outcome.ending, outcome.type)
    assert "factorial() not defined for negative values" == outcome.message
    assert ["line 4, in f", "line 7, in helper"] == [
        line.rpartition(", l")[1].strip(", ") + line.rpartition(", l")[2]
        for line in outcome.traceback.splitlines()
        if "File" in line
    ]
    assert "runner" not in outcome.traceback


@pytest.mark.parametrize(
    ("raised", "type", "message"),
    [
        ("SystemExit(0)", "SystemExit", "0"),
        ("KeyboardInterrupt", "KeyboardInterrupt", ""),
        ("GeneratorExit", "GeneratorExit", ""),
        ("NotImplementedError('f')", "NotImplementedError", "f"),
        ("ValueError('x' * 10**6)", "ValueError", "x" * 4000),
    ],
)
def test_whatever_is_raised_is_told(run: Run, raised: str, type: str, message: str) -> None:  # noqa: A002
    """Exceptions that would end a program end the call only; a message without end is cut."""
    outcome = run(f"def f(): raise {raised}")
    assert (Ending.RAISED, type, message) == (outcome.ending, outcome.type, outcome.message)


def test_an_exception_cannot_run_code_in_the_telling(run: Run) -> None:
    """An exception whose text cannot be had is still told by its type."""
    outcome = run(
        """
        class Sly(Exception):
            def __str__(self): raise SystemExit
        def f(): raise Sly
        """
    )
    assert (Ending.RAISED, "Sly") == (outcome.ending, outcome.type)
    assert "(its text cannot be had: __str__ raised SystemExit)" == outcome.message


def test_a_missing_function_is_named(run: Run) -> None:
    """A module that lacks the function, or has something else of its name, is told from one whose function fails."""
    for source in ("def g(): pass", "f = 5"):
        outcome = run(source)
        assert (Ending.MISSING, "module.py has no function f()") == (outcome.ending, outcome.message)


@pytest.mark.parametrize(
    ("returned", "type"),
    [("lambda: 1", "function"), ("object()", "object"), ("(n for n in [])", "generator"), ("{1, 2}", "set")],
)
def test_what_is_no_plain_data_is_named(run: Run, returned: str, type: str) -> None:  # noqa: A002
    """A value that cannot travel is an answer of its own, which names the type."""
    outcome = run(f"def f(): return [{returned}]")
    assert Ending.UNSENDABLE is outcome.ending
    assert f"f() returned a value that is not plain data: it holds an object of type '{type}'" in outcome.message


@pytest.mark.parametrize(
    ("source", "type", "told"),
    [
        ("def f(:\n    pass", "SyntaxError", "line 1"),
        ("import no_such_module_anywhere", "ModuleNotFoundError", "line 1"),
        ("x = 1\ny = x / 0", "ZeroDivisionError", "line 2"),
        ("raise SystemExit(0)", "SystemExit", "line 1"),
        ("x = '\\udc80'.encode()", "UnicodeEncodeError", "line 1"),
    ],
)
def test_a_failed_import_is_told_from_a_failed_call(run: Run, source: str, type: str, told: str) -> None:  # noqa: A002
    """A module that cannot be imported is told by what was raised, and where in it."""
    outcome = run(source)
    assert (Ending.IMPORT_FAILED, type) == (outcome.ending, outcome.type)
    assert told in outcome.traceback


def test_without_a_function_the_module_is_only_imported(run: Run) -> None:
    """A call without a function tells the public names of the module."""
    outcome = run("import os\n_own = 1\ndef g(): raise ValueError", function="")
    assert (Ending.VALUE, ["g", "os"]) == (outcome.ending, outcome.value)


def test_nothing_survives_from_call_to_call(run: Run) -> None:
    """Every call has a fresh process, fresh globals and an empty folder."""
    source = """
        import os
        from pathlib import Path
        calls = []
        def f():
            calls.append(1)
            for folder in (".", os.environ["TMPDIR"]):
                Path(folder, "note").touch()
                calls.extend(Path(folder).glob("note*"))
            Path("note").rename("note2")
            return len(calls), os.getpid()
        """
    (first, _), (second, _) = run(source).value, run(source).value
    assert (3, 3) == (first, second)


def test_main_is_neutral(run: Run) -> None:
    """The grader's own main module, arguments, input and search path are not there."""
    outcome = run(
        """
        import sys
        def f():
            main = sys.modules["__main__"]
            return [hasattr(main, "__file__"), sys.argv, sys.stdin.read(), __name__, "module" in sys.modules]
        """
    )
    assert [False, [""], "", "module", True] == outcome.value


def test_output_is_kept(run: Run) -> None:
    """What is printed is kept apart for standard output and error, also what a child or a C library writes."""
    outcome = run(
        """
        import os, subprocess, sys
        def f():
            print("one")
            print("two", file=sys.stderr)
            os.write(1, b"three\\n")
            subprocess.run(["/bin/echo", "four"])
        """
    )
    assert ("one\nthree\nfour\n", "two\n") == (outcome.stdout, outcome.stderr)


def test_output_is_cut(run: Run) -> None:
    """Of 200 MB on standard output the first KiB are kept and the rest is read and dropped; the call goes on."""
    outcome = run(
        """
        import os
        def f():
            for _ in range(200): os.write(1, b"x" * 1_000_000)
            return "done"
        """,
        output_kib=1,
        wall_seconds=60.0,
    )
    assert (Ending.VALUE, "done") == (outcome.ending, outcome.value), outcome.message
    assert "x" * 1024 + "\n[199,998,976 more bytes dropped]" == outcome.stdout
