"""The life of one rank: a process that runs a task of the driver with the student's module and tells what it does.

This module runs inside the sandbox, beside student code.
"""

import builtins
import contextlib
import itertools
import os
import pickle
import random
import sys
import threading
import time
import traceback
import types
from collections.abc import Callable, Iterator
from multiprocessing import connection
from pathlib import Path
from typing import Any

import numpy as np
import torch

from autograder.measure import process_groups
from autograder.measure.devices import take_gpu

#: Called in every rank as ``task(student, log, rank, world_size, **case)``; gives plain data.
Task = Callable[..., Any]

#: Seconds that a thread of the student's has to end after the last call.
THREAD_SECONDS = 0.5


class Log:
    """A rank's line to the first process."""

    def __init__(self, line: connection.Connection, student: str):
        self._line, self._guard, self._numbers = line, threading.Lock(), itertools.count()
        self._student = student
        self._source: str | None = None

    def send(self, *message: object) -> None:
        with self._guard:
            self._line.send_bytes(pickle.dumps(message))

    def stage(self, name: str) -> None:
        """What the rank does from now on, as messages call it."""
        self.send("stage", name)

    def enter(self, **call: object) -> int:
        """Tell of a collective that begins; gives its number."""
        number = next(self._numbers)
        told = {"line": self._line_of_student(), "start": time.monotonic(), "aside": _aside()}
        self.send("enter", number, call | told)
        return number

    def leave(self, number: int, **end: object) -> None:
        """Tell that a collective has ended."""
        self.send("leave", number, end | {"end": time.monotonic()})

    def changed(self, number: int) -> None:
        """Tell that a message is no longer what it was when it was sent."""
        self.send("changed", number)

    @contextlib.contextmanager
    def work(self, name: str, seconds: float, number: int = 0) -> Iterator[None]:
        """Tell of work that takes this rank `seconds`, whatever the machine does; waits until they are over.

        Args:
            name: What the timeline calls it.
            seconds: What it counts for, and the least that it takes.
            number: Tells this piece of work from others, or how much of it there was.
        """
        start = time.monotonic()
        yield
        time.sleep(max(0.0, start + seconds - time.monotonic()))
        self.send("work", name, float(seconds), int(number), start, time.monotonic(), _aside())

    def student(self) -> Any:
        """The student's module."""
        module = __import__(self._student)
        self._source = module.__file__
        # Strings hash differently in every rank, as in ranks that are started one by one.
        salt = random.SystemRandom().random()
        module.__dict__.setdefault("hash", lambda value: builtins.hash(_salted(value, salt)))
        return module

    def _line_of_student(self) -> int | None:
        frame: types.FrameType | None = sys._getframe(2)
        while frame is not None and frame.f_code.co_filename != self._source:
            frame = frame.f_back
        return frame.f_lineno if frame is not None else None

    def hold(self) -> None:
        """Stay, for the others' sake, until the first process ends this one."""
        with contextlib.suppress(EOFError, OSError):
            self._line.recv_bytes()


def _aside() -> bool:
    """Whether this is another thread than the rank's first."""
    return threading.current_thread() is not threading.main_thread()


def _salted(value: object, salt: float) -> object:
    if isinstance(value, tuple | frozenset):
        return tuple(_salted(part, salt) for part in value)
    return (salt, value) if isinstance(value, str | bytes) else value


def _become_another_machine(rank: int, world_size: int) -> None:
    """Give the process what differs between the machines of a cluster: clock, random state, environment."""
    real, real_ns = time.time, time.time_ns
    shift = 1000 * (rank + 1) + random.SystemRandom().randrange(1000)
    time.time = lambda: real() + shift
    time.time_ns = lambda: real_ns() + shift * 10**9
    seed = random.SystemRandom().randrange(2**31)
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    os.environ |= {"RANK": f"{rank}", "LOCAL_RANK": f"{rank}", "WORLD_SIZE": f"{world_size}"}


def live(
    student_name: str,
    rank: int,
    world_size: int,
    folder: str,
    line: connection.Connection,
    task: Task,
    case: dict[str, Any],
    network: process_groups.Network,
) -> None:
    """Do the task in this process, which is one of ``world_size``; tell its value, or what was raised.

    Args:
        student_name: The student's module.
        folder: Where the ranks find each other.
        line: To the first process.
        network: How slow the network is.
    """
    log = Log(line, student_name)
    try:
        _become_another_machine(rank, world_size)
        take_gpu(rank)
        student = log.student()
        process_groups.join(log, folder, rank, world_size, network)
        before = threading.enumerate()
        value = task(student, log, rank, world_size, **case)
        threads = [thread for thread in threading.enumerate() if thread not in before]
        end = time.monotonic() + THREAD_SECONDS
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
        log.send("done", value, [thread.name for thread in threads if thread.is_alive()])
    except BaseException as error:
        log.send("raised", type(error).__name__, str(error), _traceback(error, student_name))
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        log.hold()


def _traceback(error: BaseException, student_name: str) -> str:
    """The traceback, as far as it runs through the student's module."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).stem == student_name]
    return "".join(traceback.format_list(frames) + traceback.format_exception_only(error)).rstrip()
