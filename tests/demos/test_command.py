"""``autograder demo``: what it prints, its exit status, and that Ctrl-C leaves nothing."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from autograder.cli import main
from autograder.demos.registry import DEMOS, find, of_exercise
from autograder.errors import UsageError

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-c", "from autograder.cli import main; main()", "demo"]
GRADED, WRONG_USAGE, STOPPED = 0, 2, 130


def test_alone_it_lists_them() -> None:
    """A line for each: its name, its title, its exercise."""
    done = CliRunner().invoke(main, ["demo"])
    assert GRADED == done.exit_code
    assert [demo.name for demo in DEMOS] == [line.split()[0] for line in done.output.splitlines()]
    assert all(demo.title in done.output for demo in DEMOS)


def test_one_of_them_is_drawn() -> None:
    """With its title, its words before and after, and its size as it was chosen."""
    done = CliRunner().invoke(main, ["demo", "race", "--size", "5"])
    assert GRADED == done.exit_code, done.output
    said = " ".join(done.output.split())
    for wanted in ("The race: where an update gets lost", "5 of 10 updates lost", "the grader tries orders"):
        assert wanted in said


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["pipline"], "did you mean 'pipeline'?"),
        (["zzz"], "no demonstration is called 'zzz'; there are who-is-who, "),
        (["gradients", "--size", "1"], "choose one from 2 to 10,000, not 1"),
        (["--size", "3"], "of which demonstration?"),
    ],
)
def test_wrong_usage_is_one_line(arguments: list[str], wanted: str) -> None:
    """With near names and remedies, and status 2."""
    done = CliRunner().invoke(main, ["demo", *arguments])
    assert (WRONG_USAGE, 1) == (done.exit_code, len(done.output.splitlines())), done.output
    assert wanted in done.output


def test_every_demonstration_is_whole() -> None:
    """A title, words before and after, one name each, and the name of an exercise, be it there or not."""
    assert len(DEMOS) == len({demo.name for demo in DEMOS})
    for demo in DEMOS:
        assert demo.title
        assert "\n" not in demo.title
        assert 2 <= len(demo.text.strip().splitlines()[2:]) <= 10
        assert 3 <= len(demo.after.strip().splitlines()) <= 10
        assert demo.exercise.isidentifier()
        assert demo.size.least <= demo.size.default <= demo.size.most
        assert demo is find(demo.name)
    assert () == of_exercise("nothing_of_that_name")
    with pytest.raises(UsageError):
        find("")


def _of_session(session: int) -> list[str]:
    """Command lines of all that is alive in a session."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline()))
        except (psutil.Error, OSError):
            continue
    return found


def _wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until, "it does not come"
        time.sleep(0.005)


@pytest.mark.parametrize(("name", "size"), [("many", 20_000), ("scaling", 10_000)])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_stopped_in_the_middle_nothing_is_left(name: str, size: int, number: signal.Signals) -> None:
    """Ctrl-C reaches all processes of a terminal: one line, status 130, and all are gone. So they are after a kill."""
    command = subprocess.Popen(
        [*COMMAND, name, "--size", str(size)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        _wait_until(lambda: len(_of_session(command.pid)) > 1 or command.poll() is not None)
        if number is signal.SIGINT:
            os.killpg(command.pid, number)
        else:
            command.kill()
        _, said = command.communicate(timeout=60)
    finally:
        command.kill()
        command.communicate()
    if number is signal.SIGINT:
        assert (STOPPED, "autograder: stopped\n") == (command.returncode, said)
    _wait_until(lambda: _of_session(command.pid) == [])
