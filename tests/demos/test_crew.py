"""Processes of a demonstration end on every way out, and two threads are led as they should be."""

import contextlib
import os
import signal
import sys
import threading
import time
from multiprocessing.connection import Connection

import psutil
import pytest

from autograder.demos.crew import Crew, Method
from autograder.demos.lockstep import Lockstep, instructions
from autograder.errors import GraderError


def _echo(pipe: Connection) -> None:
    pipe.send(pipe.recv())


def _say_pid_and_sleep(pipe: Connection) -> None:
    pipe.send(os.getpid())
    time.sleep(1000)


def _refuse_to_end(pipe: Connection) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _say_pid_and_sleep(pipe)


def _with_a_child(pipe: Connection) -> None:
    with Crew() as crew:
        pipe.send(crew.start(Method.FORK, _say_pid_and_sleep).hear())
        time.sleep(1000)


def _die(_: Connection) -> None:
    os._exit(3)


def _blocked(pipe: Connection) -> None:
    pipe.send(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ()))


def _gone(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE  # waits for init, and for nobody of ours
    return True


@pytest.mark.parametrize("method", list(Method))
def test_a_member_answers(method: Method) -> None:
    """What it is told comes back."""
    with Crew() as crew:
        member = crew.start(method, _echo)
        member.tell([1, "two"])
        assert [1, "two"] == member.hear()


@pytest.mark.parametrize("method", list(Method))
def test_ctrl_c_does_not_reach_members(method: Method) -> None:
    """It is for the one that has started them; afterwards it reaches this one as before."""
    with Crew() as crew:
        assert crew.start(method, _blocked).hear()
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
@pytest.mark.parametrize("function", [_say_pid_and_sleep, _with_a_child])
def test_an_exception_ends_members_and_their_children(error: type[BaseException], function: object) -> None:
    """Also Ctrl-C, and also children of children."""
    pids: list[int] = []

    def interrupted() -> None:
        with Crew() as crew:
            pids.append(crew.start(Method.FORK, function).hear())  # type: ignore[arg-type]
            raise error

    with pytest.raises(error):
        interrupted()
    assert [True] == [_gone(pid) for pid in pids]


def test_one_that_refuses_is_ended_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while, by the signal that nobody can refuse."""
    monkeypatch.setattr("autograder.demos.crew._END", 0.1)
    with Crew() as crew:
        pid = crew.start(Method.FORK, _refuse_to_end).hear()
    assert _gone(pid)


def test_one_that_dies_is_a_fault_with_its_exit_code() -> None:
    """And no endless waiting."""
    with Crew() as crew, pytest.raises(GraderError, match="did not answer"):
        crew.start(Method.FORK, _die).hear()


class _Shared:
    value = 0


def _add(shared: _Shared) -> None:
    shared.value += 1


LINE = _add.__code__.co_firstlineno + 1


def test_threads_take_turns_instruction_by_instruction() -> None:
    """Every instruction of the line is made once by each, one after the other."""
    shared = _Shared()
    lead = Lockstep(_add.__code__, LINE, lambda: shared.value)
    lead.run(lambda: _add(shared))
    offsets = [instruction.offset for instruction in instructions(_add.__code__, LINE)]
    assert [(thread, offset) for offset in offsets for thread in (0, 1)] == [(s.thread, s.offset) for s in lead.steps]
    assert 1 == shared.value


def test_nobody_comes_in_while_the_lock_is_held() -> None:
    """All instructions of one thread come before those of the other."""
    shared = _Shared()
    lead = Lockstep(_add.__code__, LINE, lambda: shared.value)

    def locked() -> None:
        with lead.lock():
            _add(shared)

    lead.run(locked)
    half = len(lead.steps) // 2
    assert [0] * half + [1] * half == [step.thread for step in lead.steps]
    assert 2 == shared.value


def test_tracing_ends_with_the_threads() -> None:
    """This thread, and those to come, are not traced."""
    before = sys.gettrace(), threading.gettrace()
    shared = _Shared()
    Lockstep(_add.__code__, LINE, lambda: shared.value).run(lambda: _add(shared))
    assert before == (sys.gettrace(), threading.gettrace())


def test_a_thread_that_never_starts_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Ctrl-C comes between the two, the first one ends by itself."""
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        if thread.name.startswith("second"):
            raise KeyboardInterrupt
        start(thread)

    names = iter(["the one before", "first", "second"])
    make = threading.Thread.__init__
    monkeypatch.setattr(threading.Thread, "__init__", lambda self, **named: make(self, name=next(names), **named))
    monkeypatch.setattr(threading.Thread, "start", interrupted)
    shared = _Shared()
    with pytest.raises(KeyboardInterrupt):
        Lockstep(_add.__code__, LINE, lambda: shared.value).run(lambda: _add(shared))
    assert 1 == shared.value
