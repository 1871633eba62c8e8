"""Doubles for tests: a sandbox that starts no process, and a course that is quickly made."""

import itertools
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder.catalog import Course
from autograder.sandbox import Call, Counters, Ending, Observer, Outcome, ProcessState, Snapshot

#: Larger than any pid of a machine, so that nothing real is ever looked at.
CALLER = 2**23


@dataclass
class Reply:
    """What a call of the fake sandbox comes to, where it is more than a value."""

    value: Any = None
    #: What the clock shows for it.
    seconds: float = 0.01
    #: Processes that were alive at once.
    workers: int = 0
    #: Processes that were there still.
    left: int = 0
    ending: Ending = Ending.VALUE
    message: str = ""
    type: str = ""
    traceback: str = ""
    stderr: str = ""


@dataclass
class FakeSandbox:
    """Answers calls from a dictionary: ``{"f": ...}`` for the submission, ``{"driver.f": ...}`` for other modules.

    An answer is a value, a :class:`Reply`, an exception of ours (raised by the sandbox itself), or a function that is
    called with the arguments and gives one of these; an exception that it raises is what the submission raised.
    """

    answers: dict[str, Any]
    #: What happens when the module is only imported.
    imported: Reply = field(default_factory=Reply)
    isolation: str = "namespaces"
    #: Every call with a function, in order.
    calls: list[Call] = field(default_factory=list)
    closed: int = 0
    _clock: Iterator[int] = field(default_factory=lambda: itertools.count(1000, 100))

    def run(self, call: Call, observer: Observer | None = None) -> Outcome:
        """Answer ``call``, and let ``observer`` see what the answer says of processes and times."""
        if not call.function:
            reply = self.imported
        else:
            self.calls.append(call)
            reply = self._reply(call)
        if observer is not None:
            self._show(reply, observer)
        return Outcome(
            reply.ending,
            value=reply.value,
            type=reply.type,
            message=reply.message,
            traceback=reply.traceback,
            wall_seconds=reply.seconds,
            caller=CALLER,
            surviving=frozenset(range(CALLER + 1, CALLER + 1 + reply.left)),
            stderr=reply.stderr,
        )

    def close(self) -> None:
        """End what never began."""
        self.closed += 1

    def called(self) -> list[str]:
        """Names of the functions called, in order."""
        return [call.function for call in self.calls]

    def _reply(self, call: Call) -> Reply:
        known = {name.rpartition(".")[2]: name for name in self.answers if name.rpartition(".")[0] in ("", call.module)}
        if call.function not in known:
            return Reply(ending=Ending.MISSING, message=f"{call.module}.py has no function {call.function}()")
        answer = self.answers[known[call.function]]
        if isinstance(answer, BaseException):
            raise answer
        if callable(answer):
            try:
                answer = answer(*call.arguments, **call.named)
            except Exception as error:
                line = f'  File "{call.module}.py", line 1, in {call.function}\n'
                return Reply(ending=Ending.RAISED, type=type(error).__name__, message=str(error), traceback=line)
            if isinstance(answer, BaseException):
                raise answer
        return answer if isinstance(answer, Reply) else Reply(answer)

    def _show(self, reply: Reply, observer: Observer) -> None:
        start = float(next(self._clock))
        observer.started(CALLER, _tree(start, 0, 0.0))
        observer.tick(_tree(start + reply.seconds / 2, reply.workers, reply.seconds / 2))
        observer.finished(_tree(start + reply.seconds, reply.left, reply.seconds))


def _tree(at: float, children: int, ran: float) -> Snapshot:
    """The caller, which ran all the time, and idle children."""
    pids = range(CALLER, CALLER + 1 + children)
    counters = {pid: Counters(round(ran * 1e9) if pid == CALLER else 0, 0) for pid in pids}
    states = {
        pid: ProcessState(pid, 1 if pid == CALLER else CALLER, CALLER, "S", 0, {pid: counters[pid]}) for pid in pids
    }
    return Snapshot(at, states)


TOML = """\
name = "{name}"
order = {order}
title = "A small one"
summary = "An exercise for tests."
minutes = 5
hints = ["What is asked?", "Look there.", "First this, then that."]
offers = ["double"]

[limits]
wall_seconds = {wall_seconds}
memory_mb = 300
"""

REFERENCE = '''\
"""The reference."""


def double(n):
    """Twice ``n``."""
    ### BEGIN SOLUTION
    return 2 * n
    ### END SOLUTION
'''

CHECKS = '''\
"""Checks of the small exercise."""

import pytest


@pytest.mark.points(4)
def test_double(submission):
    """Twice a number."""
    actual = submission.double(21)
    assert 42 == actual, f"Twice 21 is 42, not {actual}."


### BEGIN HIDDEN TESTS
@pytest.mark.points(6)
@pytest.mark.needs("test_double")
def test_others(submission, measured):
    """Other numbers, too."""
    measured["numbers"] = 3
    for n in (-1, 0, 2**40):
        actual = submission.double(n)
        assert 2 * n == actual, f"Twice {n} is {2 * n}, not {actual}."
### END HIDDEN TESTS
'''


def make_course(
    root: Path,
    names: Iterable[str] = ("tiny",),
    checks: str = CHECKS,
    driver: str = "",
    reference: str = REFERENCE,
    wall_seconds: float = 2.0,
) -> Course:
    """A course with small exercises under ``root``, numbered from 1."""
    for order, name in enumerate(names, start=1):
        folder = root / "solutions" / f"{order:02d}_{name}"
        folder.mkdir(parents=True)
        (folder / "exercise.toml").write_text(TOML.format(name=name, order=order, wall_seconds=wall_seconds))
        (folder / f"{name}.py").write_text(reference)
        (folder / f"test_{name}.py").write_text(textwrap.dedent(checks))
        (folder / "README.md").write_text("# A small one\n")
        if driver:
            (folder / "driver.py").write_text(textwrap.dedent(driver))
    return Course(root)
