"""The command line: what it prints and writes, and the status it ends with."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import psutil
import pytest
from click.testing import CliRunner, Result

import autograder
from autograder.catalog import Course
from autograder.catalog.submissions import find_submissions
from autograder.classroom.grading import Journal, make_tasks
from autograder.cli import main
from autograder.errors import SandboxError
from autograder.report import json_report
from autograder.sandbox import Isolation, ZygoteSandbox
from tests.fakes import CHECKS, make_course

GRADED, BELOW_MARK, WRONG_USAGE, FAULT, STOPPED = 0, 1, 2, 3, 130

RIGHT = "def double(n):\n    return 2 * n\n"
ONLY_21 = "def double(n):\n    return 42\n"
WRONG = "def double(n):\n    return n\n"

Command = Callable[..., Result]


def _holds_strangers() -> bool:
    with ZygoteSandbox() as sandbox:
        try:
            return sandbox.isolation.holds_strangers
        except SandboxError:
            return False


#: Where this machine has no walls, submissions are run only when that is allowed.
TRUST = () if _holds_strangers() else ("--trust-submissions",)


@pytest.fixture
def course(tmp_path: Path) -> Course:
    """A course with one exercise."""
    return make_course(tmp_path)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs a command in this process, in the folder of the course."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Result:
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        return result

    return run


@pytest.fixture
def grade(run: Command) -> Command:
    """Runs ``autograder grade``."""

    def grade(*arguments: object) -> Result:
        return run("grade", *TRUST, *arguments)

    return grade


def _hand_in(root: Path, **texts: str) -> Path:
    """A class as nbgrader lays it out, each student with a text for the first exercise."""
    for student, text in texts.items():
        folder = root / "submitted" / student / "01_tiny"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "tiny.py").write_text(text)
    return root / "submitted"


def _said(text: str) -> str:
    """What was printed, without the line breaks of a narrow terminal."""
    return " ".join(text.split())


# -- grading ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "score"), [(RIGHT, 10), (ONLY_21, 4), (WRONG, 0), ("import nothing_of_that_name", 0)])
@pytest.mark.usefixtures("course")
def test_graded_is_success_whatever_the_marks(grade: Command, tmp_path: Path, text: str, score: int) -> None:
    """A submission that was judged ends with status 0, and its points are shown."""
    file = tmp_path / "tiny.py"
    file.write_text(text)
    done = grade(file)
    assert (GRADED, True) == (done.exit_code, f"{score} of 10 points" in _said(done.output)), done.output


@pytest.mark.usefixtures("course")
def test_a_notebook_is_graded_as_a_file_is(grade: Command, tmp_path: Path) -> None:
    """By the cell of its exercise, without a kernel: what would stop one is in the cell before."""
    cells = [{"cell_type": "code", "source": text} for text in ("1 / 0", f"%%exercise tiny\n{ONLY_21}")]
    file = tmp_path / "tiny.ipynb"
    file.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}))
    done = grade(file)
    assert (GRADED, True) == (done.exit_code, "4 of 10 points" in _said(done.output)), done.output


@pytest.mark.parametrize(
    ("percent", "status"), [("39", GRADED), ("40", GRADED), ("40.1", BELOW_MARK), ("100", BELOW_MARK), ("0", GRADED)]
)
@pytest.mark.usefixtures("course")
def test_fail_under(grade: Command, tmp_path: Path, percent: str, status: int) -> None:
    """Below the share that is asked for, and only below it, the status is 1."""
    assert status == grade(_hand_in(tmp_path, alice=ONLY_21), "--fail-under", percent).exit_code


@pytest.mark.usefixtures("course")
def test_the_json_is_what_was_promised(grade: Command, tmp_path: Path) -> None:
    """Schema 1, key for key: readers depend on it."""
    done = grade(_hand_in(tmp_path, alice=ONLY_21), "--json", "result.json")
    assert GRADED == done.exit_code, done.output
    report = json.loads((tmp_path / "result.json").read_text())
    assert ["schema", "autograder", "machine", "results"] == list(report)
    assert (1, autograder.__version__) == (report["schema"], report["autograder"])
    machine = {"cores", "isolation", "clock", "system", "python", "memory_mb", "load", "warnings"}
    assert machine == set(report["machine"])
    assert report["machine"]["isolation"] in tuple(Isolation)
    (result,) = report["results"]
    assert ["student", "exercise", "path", "score", "points", "seconds", "checks"] == list(result)
    assert ("alice", "tiny", 4.0, 10.0) == tuple(result[key] for key in ("student", "exercise", "score", "points"))
    assert "submitted/alice/01_tiny/tiny.py" == os.path.relpath(result["path"], tmp_path)
    first, second = result["checks"]
    keys = ["name", "title", "kind", "outcome", "score", "points", "message", "seconds", "hidden", "measured"]
    assert [keys, keys] == [list(first), list(second)]
    shown = ("test_double", "Twice a number.", "correctness", "passed", 4.0, 4.0, "", False, {})
    assert shown == tuple(first[key] for key in keys if key != "seconds")
    hidden = ("test_others", "Other numbers, too.", "correctness", "failed", 0.0, 6.0)
    assert hidden == tuple(second[key] for key in keys[:6])
    assert ("Twice -1 is -2, not 42.", True, {"numbers": 3}) == (
        second["message"],
        second["hidden"],
        second["measured"],
    )


@pytest.mark.usefixtures("course")
def test_the_junit_file_can_be_read(grade: Command, tmp_path: Path) -> None:
    """The XML has a suite for each submission and a case for each check, failures marked."""
    grade(_hand_in(tmp_path, alice=ONLY_21, bob=RIGHT), "--junit", "result.xml")
    suites = ElementTree.parse(tmp_path / "result.xml").getroot()
    counts = [(suite.get("name"), suite.get("tests"), suite.get("failures")) for suite in suites]
    assert [("alice/tiny", "2", "1"), ("bob/tiny", "2", "0")] == counts


@pytest.mark.usefixtures("course")
def test_a_file_of_any_name(grade: Command, tmp_path: Path) -> None:
    """With ``--exercise`` a file may have any name, which is then the student's; without, its own name must tell."""
    (tmp_path / "alice.py").write_text(RIGHT)
    done = grade("alice.py", "--exercise", "tiny", "--json", "result.json")
    assert GRADED == done.exit_code, done.output
    (result,) = json.loads((tmp_path / "result.json").read_text())["results"]
    assert ("alice", 10.0) == (result["student"], result["score"])
    assert WRONG_USAGE == grade("alice.py").exit_code


def test_a_class(grade: Command, tmp_path: Path) -> None:
    """All students and exercises of a class are graded; what was not handed in has no result, and strangers are named."""
    make_course(tmp_path, names=("tiny", "small"))
    submitted = _hand_in(tmp_path, alice=RIGHT, bob=ONLY_21, carol=WRONG)
    for student in ("alice", "dave"):
        folder = submitted / student / "02_small"
        folder.mkdir(parents=True)
        (folder / "small.py").write_text(RIGHT)
    (submitted / "alice" / "09_unknown").mkdir()
    (submitted / "alice" / "notes.txt").write_text("of no exercise")
    done = grade(submitted, "--json", "result.json")
    assert GRADED == done.exit_code, done.output
    results = json.loads((tmp_path / "result.json").read_text())["results"]
    expected = {
        ("alice", "small", 10.0),
        ("alice", "tiny", 10.0),
        ("bob", "tiny", 4.0),
        ("carol", "tiny", 0.0),
        ("dave", "small", 10.0),
    }
    assert expected == {(result["student"], result["exercise"], result["score"]) for result in results}
    (warning,) = done.stderr.splitlines()
    assert "09_unknown" in warning
    assert "notes.txt" not in done.output


def test_one_exercise_of_a_class(grade: Command, tmp_path: Path) -> None:
    """``--exercise`` takes one exercise out of all that were handed in."""
    make_course(tmp_path, names=("tiny", "small"))
    folder = _hand_in(tmp_path, alice=RIGHT) / "alice" / "02_small"
    folder.mkdir()
    (folder / "small.py").write_text(RIGHT)
    grade("submitted", "--exercise", "small", "--json", "result.json")
    results = json.loads((tmp_path / "result.json").read_text())["results"]
    assert [("alice", "small")] == [(result["student"], result["exercise"]) for result in results]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def double(n:\n    return 2", "SyntaxError: '(' was never closed"),
        ("import nothing_of_that_name", "ModuleNotFoundError: No module named 'nothing_of_that_name'"),
        ("", "tiny.py has no function double()"),
        ("double = 42", "tiny.py has no function double()"),
        ("def double():\n    return 42", "TypeError: double() takes 0 positional arguments but 1 was given"),
        ("def double(n, m):\n    return 42", "TypeError: double() missing 1 required positional argument: 'm'"),
        (
            "def double(n):\n    raise NotImplementedError('double')",
            "Not written yet: tiny.py raises NotImplementedError",
        ),
        (
            "def double(n):\n    return lambda: 42",
            "a value that is not plain data: it holds an object of type 'function'",
        ),
        ("import os\nos._exit(0)", "The process ended with exit status 0 before it answered."),
        ("def double(n):\n    return 1 / 0", "ZeroDivisionError: division by zero"),
        ("text = '\udcff'", "it is not UTF-8 text"),
    ],
)
@pytest.mark.usefixtures("course")
def test_what_is_wrong_with_a_submission_is_said(grade: Command, tmp_path: Path, text: str, told: str) -> None:
    """Each way not to be a solution gets a clear reason that names the file, no points, and status 0."""
    (tmp_path / "tiny.py").write_bytes(text.encode(errors="surrogateescape"))
    done = grade("tiny.py")
    assert (GRADED, "") == (done.exit_code, done.stderr)
    assert "0 of 10 points" in _said(done.output)
    assert told in _said(done.output)
    assert "tiny.py" in done.output or "double()" in done.output
    assert "Traceback" not in done.output, "the grader's own code is of no use to a student"


@pytest.mark.usefixtures("course")
def test_the_line_of_the_mistake_is_shown(grade: Command, tmp_path: Path) -> None:
    """An exception is shown with the student's own line, and without any line of the grader's."""
    (tmp_path / "tiny.py").write_text("def double(n):\n    return helper(n)\n\ndef helper(n):\n    return n / 0\n")
    said = _said(grade("tiny.py").output)
    assert 'File "tiny.py", line 5, in helper' in said
    assert "runner" not in said


# -- usage ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere.py"], ["nowhere.py: no such file or folder", "give a file"]),
        (["empty"], ["empty: nothing to grade", "--exercise NAME"]),
        (["notes.txt"], ["notes.txt: cannot grade such a file", ".py"]),
        (["other.py"], ["other.py: no exercise is called 'other'", "there are tiny", "--exercise NAME"]),
        (["tiny.py", "--exercise", "tinny"], ["no exercise is called 'tinny'", "did you mean 'tiny'?"]),
        (
            ["tiny.py", "--course", "/usr"],
            ["/usr: neither here nor in a folder above are there exercises", "change to"],
        ),
    ],
)
@pytest.mark.usefixtures("course")
def test_wrong_usage_is_one_clear_line(run: Command, tmp_path: Path, arguments: list[str], told: list[str]) -> None:
    """What cannot be done as it was asked for ends with status 2 and one line: what, why, and what to do about it."""
    (tmp_path / "empty").mkdir()
    for name in ("notes.txt", "other.py", "tiny.py"):
        (tmp_path / name).write_text(RIGHT)
    done = run("grade", *TRUST, *arguments)
    assert (WRONG_USAGE, "") == (done.exit_code, done.stdout)
    (line,) = done.stderr.splitlines()
    assert line.startswith("autograder: ")
    assert [] == [part for part in told if part not in line], line


@pytest.mark.usefixtures("course")
def test_a_report_that_cannot_be_written_is_said_before_the_work(run: Command, tmp_path: Path) -> None:
    """A report into a folder that is not there is an error at once, not after an hour of grading."""
    (tmp_path / "tiny.py").write_text(RIGHT)
    for option in ("--json", "--junit"):
        done = run("grade", *TRUST, "tiny.py", option, "missing/result")
        assert (WRONG_USAGE, "") == (done.exit_code, done.stdout)
        assert "missing/result: the folder to write it in does not exist; make it first" in done.stderr


def test_a_folder_without_exercises(run: Command, tmp_path: Path) -> None:
    """Outside of a course every command says so, in one line."""
    for command in (["list"], ["check"], ["hint", "tiny"], ["grade", "."], ["selfcheck"], ["release"]):
        done = run(*command)
        assert WRONG_USAGE == done.exit_code, command
        (line,) = done.stderr.splitlines()
        assert f"{tmp_path}: neither here nor in a folder above are there exercises" in line


def test_a_broken_exercise_is_named(run: Command, course: Course) -> None:
    """An ``exercise.toml`` with an unknown key is an error that names file and key."""
    toml = course.root / "solutions" / "01_tiny" / "exercise.toml"
    toml.write_text("minuts = 5\n" + toml.read_text())
    for command in (["list"], ["grade", *TRUST, "solutions/01_tiny"]):
        done = run(*command)
        (line,) = done.stderr.splitlines()
        assert (WRONG_USAGE, True, True) == (done.exit_code, "01_tiny/exercise.toml" in line, "minuts" in line)


@pytest.mark.usefixtures("course")
def test_strangers_are_not_run_without_walls(run: Command, tmp_path: Path) -> None:
    """Where a machine has no walls nothing is run, and one line says why and what to do; with trust it is graded."""
    (tmp_path / "tiny.py").write_text(RIGHT)
    done = run("grade", "tiny.py", "--isolation", "process")
    (line,) = done.stderr.splitlines()
    assert (WRONG_USAGE, "") == (done.exit_code, done.stdout)
    assert "does not hold code of strangers" in line
    assert "--trust-submissions" in line
    assert GRADED == run("grade", "tiny.py", "--isolation", "process", "--trust-submissions").exit_code


# -- faults of the grader ---------------------------------------------------------------------------------


def test_a_check_that_breaks_is_a_fault(grade: Command, tmp_path: Path) -> None:
    """A check that fails in itself ends with status 3 and says so; the result is written, and marked."""
    make_course(tmp_path, checks=CHECKS.replace("actual = submission.double(21)", "actual = [][0]"))
    (tmp_path / "tiny.py").write_text(RIGHT)
    done = grade("tiny.py", "--json", "result.json", "--fail-under", "100")
    assert FAULT == done.exit_code
    assert "a fault of the grader" in done.stderr
    (result,) = json.loads((tmp_path / "result.json").read_text())["results"]
    assert ["error", "skipped"] == [check["outcome"] for check in result["checks"]]
    assert "The grader failed here; this says nothing about the work." in result["checks"][0]["message"]
    assert FAULT == grade("tiny.py", "--json", "result.json").exit_code, "what was not judged is judged again"


def test_checks_that_cannot_be_loaded_are_a_fault(grade: Command, tmp_path: Path) -> None:
    """A file of checks that cannot be imported ends with status 3 and its name, and charges nobody."""
    make_course(tmp_path, checks="import nothing_of_that_name\n" + CHECKS)
    (tmp_path / "tiny.py").write_text(RIGHT)
    done = grade("tiny.py")
    assert (FAULT, "") == (done.exit_code, done.stdout)
    assert "a fault of the grader, not of a submission" in done.stderr
    assert "test_tiny.py" in done.stderr
    assert "nothing_of_that_name" in done.stderr


# -- students' commands -----------------------------------------------------------------------------------


def test_list(run: Command, tmp_path: Path) -> None:
    """``list`` shows all exercises, in order, and below them what builds on what."""
    make_course(tmp_path, names=("tiny", "small"))
    toml = tmp_path / "solutions" / "02_small" / "exercise.toml"
    toml.write_text('builds_on = ["tiny"]\n' + toml.read_text())
    done = run("list")
    exercises, _, course_map = done.stdout.partition("\n\n")
    assert (GRADED, ["01_tiny", "02_small"]) == (done.exit_code, [line.split()[0] for line in exercises.splitlines()])
    assert ["01 tiny", "   02 small"] == [line.partition("  " * 5)[0].rstrip() for line in course_map.splitlines()[1:3]]


def test_list_shows_how_far_the_student_is(run: Command, tmp_path: Path) -> None:
    """What was begun, what the last check saw, and what has changed since; no word of it before anything was done."""
    make_course(tmp_path, names=("tiny", "small", "other"))
    run("release")
    assert "untouched" not in run("list").stdout
    file = tmp_path / "assignments" / "02_small" / "small.py"
    file.write_text(ONLY_21)
    assert ["untouched", "begun", "untouched"] == _progress(run("list"))
    run("check", "small")
    assert ["untouched", "last check: 4 of 4 points", "untouched"] == _progress(run("list"))
    file.write_text(WRONG)
    assert ["untouched", "last check: 4 of 4 points, changed since", "untouched"] == _progress(run("list"))
    run("check", "assignments/02_small")
    assert ["untouched", "last check: 0 of 4 points", "untouched"] == _progress(run("list"))


def test_a_broken_progress_file_costs_a_warning(run: Command, tmp_path: Path) -> None:
    """The list is shown all the same, one line names the file, and the next check mends it."""
    make_course(tmp_path)
    run("release")
    run("check", "tiny")
    kept = tmp_path / ".autograder" / "progress" / "tiny.json"
    kept.write_text("{")
    done = run("list")
    (line,) = done.stderr.splitlines()
    assert (GRADED, True, True) == (done.exit_code, f"{kept}: ignored: " in line, "01_tiny" in done.stdout)
    run("check", "tiny")
    assert ("", ["last check: 0 of 4 points"]) == (run("list").stderr, _progress(run("list")))


def _progress(done: Result) -> list[str]:
    """What ``list`` says behind the minutes of each exercise."""
    return [line.rpartition(" min")[2].strip() for line in done.stdout.partition("\n\n")[0].splitlines()]


@pytest.mark.usefixtures("course")
def test_hints_come_step_by_step(run: Command) -> None:
    """Each step shows its hint and none of the later ones, and how to get the next."""
    hints = ("What is asked?", "Look there.", "First this, then that.")
    for step, hint in enumerate(hints, start=1):
        done = run("hint", "tiny", "--step", step)
        assert GRADED == done.exit_code
        assert [hint] == [other for other in hints if other in done.stdout]
        assert (step < 3) == (f"--step {step + 1}" in done.stdout)
    assert WRONG_USAGE == run("hint", "tinny").exit_code


@pytest.mark.parametrize("target", ["tiny", "01_tiny", "solutions/01_tiny/tiny.py", "solutions/01_tiny"])
def test_check_runs_the_public_checks(run: Command, course: Course, target: str) -> None:
    """``check`` takes a name or a path, and shows no hidden check."""
    (course.root / "solutions" / "01_tiny" / "tiny.py").write_text(ONLY_21)
    done = run("check", target)
    assert (GRADED, True) == (done.exit_code, "4 of 4 points" in _said(done.output)), done.output
    assert "Other numbers" not in done.output


def test_check_needs_no_name_inside_an_exercise(run: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one is, is what one means: in an exercise's folder that one, in the course all of them."""
    make_course(tmp_path, names=("tiny", "small"))
    assert ["small", "tiny"] == sorted(name for name in ("tiny", "small") if f"{name}  4 of 4" in run("check").output)
    monkeypatch.chdir(tmp_path / "solutions" / "02_small")
    assert ["small"] == [name for name in ("tiny", "small") if f"{name}  4 of 4" in run("check").output]


@pytest.mark.usefixtures("course")
def test_check_draws_a_timeline(run: Command) -> None:
    """With ``--timeline`` a chart of the calls follows the marks; without, there is none."""
    done = run("check", "tiny", "--timeline")
    assert (GRADED, True) == (done.exit_code, "4 of 4 points" in _said(done.output)), done.output
    shown = _said(done.output)
    assert [] == [part for part in ("tiny.double(21)", "CPU ms", "caller", "running") if part not in shown], shown
    assert "caller" not in run("check", "tiny").output


@pytest.mark.usefixtures("course", "run")
def test_a_console_of_few_characters_shows_the_marks_too() -> None:
    """Where the console's encoding has no blocks and no tick, marks and chart are shown in characters that it has."""
    done = CliRunner(charset="ascii").invoke(main, ["check", "tiny", "--timeline"])
    assert (GRADED, True) == (done.exit_code, "4 of 4 points" in _said(done.output)), done.output
    assert "# running" in done.output


@pytest.mark.usefixtures("course")
def test_check_writes_a_trace(run: Command, tmp_path: Path) -> None:
    """With ``--trace FILE`` what ran when is written as a trace, and nothing more is shown."""
    done = run("check", "tiny", "--trace", "trace.json")
    assert (GRADED, False) == (done.exit_code, "caller" in done.output), done.output
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert ["tiny.double(21)"] == [event["name"] for event in events if event.get("cat") == "call"]


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("missing/trace.json", "missing/trace.json: the folder to write it in does not exist; make it first"),
        ("solutions", "solutions: a folder, where a file is to be written; name a file in it"),
    ],
)
@pytest.mark.usefixtures("course")
def test_a_trace_that_cannot_be_written_is_said_before_the_work(run: Command, file: str, told: str) -> None:
    """One line with the file, the cause and the remedy, status 2, and nothing was run."""
    done = run("check", "tiny", "--trace", file)
    assert (WRONG_USAGE, "", f"autograder: {told}\n") == (done.exit_code, done.stdout, done.stderr)


@pytest.mark.usefixtures("course")
def test_timelines_of_a_class_are_for_those_who_ask(grade: Command, tmp_path: Path) -> None:
    """The JSON has them with ``--timelines`` only, also where an earlier run without was stopped."""
    submitted = _hand_in(tmp_path, alice=ONLY_21)
    journal = Journal(tmp_path / "result.json.autograder-journal")
    course = Course.find(tmp_path)
    (task,) = make_tasks(find_submissions([submitted], course)[0], course)
    grade(submitted, "--json", "without.json")
    (without,) = json_report.decode((tmp_path / "without.json").read_bytes()).results
    journal.add(task, without)
    assert GRADED == grade(submitted, "--json", "result.json", "--timelines").exit_code
    for name, wanted in (("without", False), ("result", True)):
        (result,) = json.loads((tmp_path / f"{name}.json").read_text())["results"]
        assert [wanted, wanted] == ["timeline" in check for check in result["checks"]]
    done = grade(submitted, "--timelines")
    assert (WRONG_USAGE, 1, True) == (done.exit_code, len(done.stderr.splitlines()), "add --json FILE" in done.stderr)


@pytest.mark.usefixtures("course")
def test_a_line_that_was_cut_off_costs_no_other(grade: Command, tmp_path: Path) -> None:
    """A run that was stopped while it wrote: what the next run finds is not lost with the half of a line."""
    submitted = _hand_in(tmp_path, alice=ONLY_21)
    course = Course.find(tmp_path)
    (task,) = make_tasks(find_submissions([submitted], course)[0], course)
    grade(submitted, "--json", "result.json")
    (result,) = json_report.decode((tmp_path / "result.json").read_bytes()).results
    path = tmp_path / "journal"
    path.write_bytes(b'["abc", {"student": "bo')
    Journal(path).add(task, result)
    assert result == Journal(path).find(task)


@pytest.mark.usefixtures("course")
def test_check_tells_an_unknown_name(run: Command) -> None:
    """A name that is neither an exercise nor a path gets one line with what there is."""
    done = run("check", "tinny")
    (line,) = done.stderr.splitlines()
    assert (WRONG_USAGE, True) == (done.exit_code, "did you mean 'tiny'?" in line)


@pytest.mark.usefixtures("course")
def test_check_needs_none_of_the_heavy_packages(tmp_path: Path) -> None:
    """``check`` works where neither torch nor nbgrader nor dask nor SQLAlchemy can be imported."""
    code = (
        "import sys; sys.modules.update(dict.fromkeys("
        "('torch', 'nbgrader', 'nbconvert', 'nbformat', 'dask', 'distributed', 'sqlalchemy')))\n"
        "sys.argv[0] = 'autograder'; from autograder.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "check", "tiny"], cwd=tmp_path, env=_environment(), capture_output=True, text=True
    )
    assert (0, "", True) == (done.returncode, done.stderr, "4 of 4 points" in _said(done.stdout)), done.stdout


@pytest.mark.usefixtures("course")
def test_pytest_runs_the_checks_too(tmp_path: Path) -> None:
    """A student may run plain ``pytest`` in an exercise: the module beside the checks is judged, in the sandbox."""
    folder = tmp_path / "solutions" / "01_tiny"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "autograder.checks.plugin", "-p", "no:cacheprovider", folder]
    environment = _environment() | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # as if it were installed, and only it
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (0, True) == (done.returncode, "2 passed" in done.stdout), done.stdout
    (folder / "tiny.py").write_text(ONLY_21)
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (1, True) == (done.returncode, "1 failed, 1 passed" in done.stdout), done.stdout
    assert "Twice -1 is -2, not 42." in done.stdout


def test_version_and_help(run: Command) -> None:
    """The version is the package's, and every command has a line that says what it does."""
    assert f"autograder, version {autograder.__version__}\n" == run("--version").output
    shown = run("--help").output
    assert [] == [name for name, command in main.commands.items() if name not in shown or not command.help]


# -- instructors' commands --------------------------------------------------------------------------------


def _provable(root: Path) -> Course:
    """A course that proves itself: a wrong submission for each check."""
    course = make_course(root)
    folder = root / "solutions" / "01_tiny" / "wrong"
    folder.mkdir()
    (folder / "same.py").write_text("# fails: test_double\n# mistake: nothing is done\n" + WRONG)
    (folder / "constant.py").write_text("# fails: test_others\n# mistake: one answer for all\n" + ONLY_21)
    return course


def test_selfcheck_proves_a_course(run: Command, tmp_path: Path) -> None:
    """Reference, stub and wrong submissions each do what they must, twice where that is asked for."""
    _provable(tmp_path)
    assert GRADED == run("release").exit_code
    done = run("selfcheck", "--repeat", "2")
    assert (GRADED, True) == (done.exit_code, "all 8 proofs hold" in done.output), done.output


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("tiny.py", WRONG, "the reference does not get full marks"),
        ("wrong/same.py", "# fails: test_double\n# mistake: none\n" + RIGHT, "must fail at test_double"),
        ("wrong/same.py", "# fails: test_nothing\n# mistake: none\n" + WRONG, "names the check test_nothing"),
        ("wrong/same.py", WRONG, "its first lines must have '# fails: ...'"),
        ("test_tiny.py", CHECKS.replace("points(6)", "points(5)"), "the points add up to 9, not to 10"),
    ],
)
def test_selfcheck_finds_what_does_not_hold(run: Command, tmp_path: Path, file: str, text: str, told: str) -> None:
    """A reference that loses, a wrong submission that wins, points that do not add up: each is named."""
    _provable(tmp_path)
    (tmp_path / "solutions" / "01_tiny" / file).write_text(text)
    done = run("selfcheck", "--no-release")
    assert done.exit_code in (BELOW_MARK, WRONG_USAGE)
    assert told in _said(done.output), done.output


def test_selfcheck_finds_a_stale_release(run: Command, tmp_path: Path) -> None:
    """What students have must be what the solutions would make now."""
    _provable(tmp_path)
    run("release")
    (tmp_path / "solutions" / "01_tiny" / "README.md").write_text("# Another text\n")
    done = run("selfcheck")
    assert BELOW_MARK == done.exit_code
    assert "assignments/01_tiny/README.md: differs: release again" in _said(done.output)


# -- a run that is stopped --------------------------------------------------------------------------------

#: Preloaded modules, by which the processes of these runs can be known.
MARK = ["colorsys", "rlcompleter", "pickletools"]

SLOW = "import time\ndef double(n):\n    time.sleep(0.05)\n    return 2 * n\n"


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(Path(autograder.__file__).parent.parent)}


def _start(root: Path) -> "subprocess.Popen[str]":
    code = "import sys; sys.argv[0] = 'autograder'; from autograder.cli import main; main()"
    command = [sys.executable, "-c", code, "grade", *TRUST, "submitted", "--json", "result.json"]
    return subprocess.Popen(
        command, cwd=root, env=_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _ours() -> list[psutil.Process]:
    """Processes of these runs that are alive; what is dead and orphaned waits for the machine's first process."""
    mark = ",".join(MARK)
    every = psutil.process_iter(["cmdline", "status"])
    ours = [process for process in every if mark in " ".join(process.info["cmdline"] or [])]
    return [process for process in ours if process.info["status"] != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL], ids=lambda stop: stop.name)
@pytest.mark.usefixtures("course")
def test_a_stopped_run_goes_on_where_it_stopped(tmp_path: Path, stop: signal.Signals) -> None:
    """A class that is stopped in the middle keeps what was graded, leaves no process, and is not graded twice."""
    toml = tmp_path / "solutions" / "01_tiny" / "exercise.toml"
    toml.write_text(f"preload = {MARK}\n" + toml.read_text())
    students = {f"student{number:02d}": SLOW for number in range(12)}
    submitted = _hand_in(tmp_path, **students)
    journal, result = tmp_path / "result.json.autograder-journal", tmp_path / "result.json"

    first = _start(tmp_path)
    try:
        deadline = time.monotonic() + 60.0
        while not journal.exists() or journal.read_bytes().count(b"\n") < 3:
            assert first.poll() is None, first.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        first.send_signal(stop)
        _, errors = first.communicate(timeout=60)
    finally:
        first.kill()
        first.communicate()
    deadline = time.monotonic() + 10.0
    while left := _ours():
        assert time.monotonic() < deadline, f"still there: {left}"
        time.sleep(0.05)
    kept = [json.loads(line)[1] for line in journal.read_text().splitlines()]
    assert 3 <= len(kept) < len(students)
    if stop is signal.SIGINT:
        assert (STOPPED, True) == (first.returncode, f"{len(kept)} of 12 submissions are graded" in errors)
        assert kept == json.loads(result.read_text())["results"]

    # One of those that were graded hands in anew; the last line is cut off, as by a full disk.
    (submitted / "student01" / "01_tiny" / "tiny.py").write_text(ONLY_21)
    journal.write_bytes(journal.read_bytes()[:-20])
    second = _start(tmp_path)
    _, errors = second.communicate(timeout=120)
    assert GRADED == second.returncode, errors
    assert f"{len(kept) - 2} of 12 submissions were graded by the run before" in errors
    results: dict[str, Any] = {r["student"]: r for r in json.loads(result.read_text())["results"]}
    assert sorted(students) == list(results)
    again = [r["student"] for r in kept if results[r["student"]] != r]
    assert ["student01", kept[-1]["student"]] == again, "these two are graded anew, and nobody else"
    assert {10.0} == {r["score"] for name, r in results.items() if name != "student01"}
    assert 4.0 == results["student01"]["score"]
    assert not journal.exists(), "the run is complete"
    assert [] == _ours()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder in which nobody can make files")
def test_a_result_that_could_not_be_kept_is_told_before_the_work(course: Course, grade: Command) -> None:
    """No submission is judged for a file that cannot be written in the end; the superuser may not write there either."""
    for option, file in (("--json", "/proc/marks.json"), ("--junit", "/sys/marks.xml")):
        result = grade(_hand_in(course.root, alice=RIGHT), option, file)
        assert WRONG_USAGE == result.exit_code
        assert f"autograder: {file}: may not be written by you; choose another place" == result.output.strip()


def test_a_level_that_was_asked_for_is_called_that(course: Course, run: Command) -> None:
    """Whoever asks for no walls is told what that means, not that the machine has none."""
    result = run("grade", _hand_in(course.root, alice=RIGHT), "--isolation", "process")
    assert WRONG_USAGE == result.exit_code
    assert (
        "--isolation process does not hold code of strangers; leave it out, or say --trust-submissions" in result.output
    )
