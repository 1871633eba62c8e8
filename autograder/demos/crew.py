"""The processes of a demonstration: known to the one that started them, and ended by it on every way out.

They are ended through the objects that started them, never by a number that may be another's by then. Ctrl-C reaches all
processes of a terminal at once: here it is for the first one alone, which ends the others. If that one is killed, the
pipes of the others close one after the other, and they end by themselves.
"""

import contextlib
import multiprocessing
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import ForkContext, SpawnContext
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Self

from autograder.errors import GraderError

#: How long a process may take to answer, and to end, in seconds.
_ANSWER, _END = 60.0, 5.0


class Method(StrEnum):
    """How a process comes to be."""

    #: A copy of the one that starts it.
    FORK = "fork"
    #: A new Python, which imports what it needs.
    SPAWN = "spawn"


#: For processes about which only what they do matters. Frameworks of macOS do not survive a fork.
QUICKEST = Method.FORK if sys.platform == "linux" else Method.SPAWN


@dataclass(frozen=True)
class Member:
    """A process, and the pipe to it."""

    process: BaseProcess
    pipe: Connection

    def hear(self) -> Any:
        """What the process says next.

        Raises:
            GraderError: It ended, or said nothing for a minute.
        """
        with contextlib.suppress(EOFError, ConnectionResetError):
            if self.pipe.poll(_ANSWER):
                return self.pipe.recv()
        raise GraderError(f"a process of the demonstration did not answer (its exit code: {self.process.exitcode})")

    def tell(self, what: Any = None) -> None:
        """Say something to the process."""
        self.pipe.send(what)


class Crew:
    """Starts processes, and has ended them when its ``with`` block is left."""

    def __init__(self) -> None:
        self._members: list[Member] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._end(patience=_END if kind is None else 0.0)
        except KeyboardInterrupt:  # came before the first line of it
            self._end(patience=0.0)
            raise

    def start(self, method: Method, function: Callable[..., None], *arguments: Any) -> Member:
        """A new process that runs ``function(pipe, *arguments)``, at the other end of the member's pipe."""
        context: ForkContext | SpawnContext = (
            multiprocessing.get_context("fork") if method is Method.FORK else multiprocessing.get_context("spawn")
        )
        if method is Method.SPAWN:
            resource_tracker.ensure_running()  # starting it would let Ctrl-C through
        with _undisturbed():
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_run, args=(theirs, ours if method is Method.FORK else None, function, arguments)
            )
            member = Member(process, ours)
            try:
                process.start()
                self._members.append(member)
            except BaseException:
                ours.close()
                raise
            finally:
                theirs.close()
        return member

    def _end(self, patience: float) -> None:
        """Let all of them end for `patience` seconds, then end them."""
        with _undisturbed():
            for member in self._members:
                member.pipe.close()
            for member in self._members:
                member.process.join(patience)
            for member in self._members:
                member.process.terminate()
            for member in self._members:
                member.process.join(_END)
                member.process.kill()
                member.process.join()
            self._members.clear()


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Ctrl-C waits meanwhile, and does not reach the processes that are started meanwhile."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _run(
    pipe: Connection, inherited: Connection | None, function: Callable[..., None], arguments: tuple[Any, ...]
) -> None:
    """The whole of a process's life. One that is told to end does so through its own ``finally`` blocks."""
    try:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        if inherited is not None:  # the other end of its pipe: who holds both never sees it close
            inherited.close()
        function(pipe, *arguments)
    except (KeyboardInterrupt, EOFError, ConnectionError):  # told to end, or the one that it works for is gone
        pass
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        pipe.close()
