"""What the processes of the demonstrations do. Spawned ones import this: it imports little."""

import contextlib
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from typing import NamedTuple

import psutil

from autograder.demos.crew import Crew, Method

_PAGE = 4096
MIB = 2**20


class Memory(NamedTuple):
    """Memory of a process, in bytes."""

    #: All that it sees in the machine's memory (resident set).
    rss: int
    #: The same, with each shared page divided by the number of those who share it; None where the system does not tell.
    pss: int | None
    #: Its own alone: what would be free if it ended.
    uss: int


class Piece(NamedTuple):
    """A short piece of computing: when it began and ended, on a clock that all processes share, and the CPU time of it."""

    start: float
    end: float
    cpu: float


def memory(pid: int | None = None) -> Memory:
    """Memory of a process, its own if none is named."""
    full = psutil.Process(pid).memory_full_info()
    return Memory(full.rss, getattr(full, "pss", None), full.uss)


# -- who-is-who ---------------------------------------------------------------------------------------------


def introduce(pipe: Connection) -> None:
    """Say who one is, and stay until the pipe closes."""
    pipe.send((os.getpid(), os.getppid(), os.getpgid(0)))
    pipe.recv()


# -- memory -------------------------------------------------------------------------------------------------


def memory_stage(pipe: Connection, mib: int, threads: int) -> None:
    """Hold a block of memory; say what one has without it, with it, with threads, and with children."""
    pipe.send([memory()])
    block = bytearray(b"x") * (mib * MIB)
    pipe.send([memory()])
    with waiting_threads(threads):
        pipe.send([memory()])
    for method in (Method.FORK, Method.SPAWN):
        with Crew() as crew:
            # Under spawn, what is handed over is copied through a pipe: this one gets none of it.
            child = crew.start(method, memory_child, block if method is Method.FORK else bytearray())
            pipe.send([child.hear(), memory()])
            child.tell()
            pipe.send([child.hear(), memory()])


def memory_child(pipe: Connection, block: bytearray) -> None:
    """Say what one has before and after half of a block was written to."""
    pipe.send(memory())
    pipe.recv()
    for place in range(0, len(block) // 2, _PAGE):
        block[place] = 0
    pipe.send(memory())
    pipe.recv()


class waiting_threads:  # noqa: N801 - reads as what it is in a with statement
    """Threads that wait until the block is left; as many as the system gives, and only while somebody wants them."""

    def __init__(self, count: int, wanted: Callable[[], bool] = lambda: True) -> None:
        self.started = 0
        self._count = count
        self._wanted = wanted
        self._end = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> "waiting_threads":
        try:
            for number in range(self._count):
                if number % 100 == 0 and not self._wanted():
                    break
                thread = threading.Thread(target=self._end.wait, daemon=True)
                thread.start()
                self._threads.append(thread)
        except RuntimeError:  # the system gives no more
            pass
        except BaseException:
            self.__exit__()
            raise
        self.started = len(self._threads)
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()


# -- many ---------------------------------------------------------------------------------------------------


class Batch(NamedTuple):
    """Some threads or processes that were alive at once."""

    number: int
    #: To start them, and to end them.
    start_seconds: float
    end_seconds: float
    #: Memory that each of them takes, in bytes: its own pages. None where the system does not let one look.
    each_bytes: float | None


def many_threads(pipe: Connection, count: int) -> None:
    """Start threads, all alive at once; say what they took."""
    before = memory()
    started = time.perf_counter()
    # Nothing is said to this process: there is something to hear only when the other end of the pipe is gone.
    with waiting_threads(count, wanted=lambda: not pipe.poll()) as waiting:
        start_seconds = time.perf_counter() - started
        grown = memory().uss - before.uss
        ending = time.perf_counter()
    pipe.send(Batch(waiting.started, start_seconds, time.perf_counter() - ending, grown / max(1, waiting.started)))


def many_processes(pipe: Connection, count: int, at_once: int, sample: int) -> None:
    """Fork processes, `at_once` of them at a time, until told to stop or all were there; say of each batch what it took."""
    left = count
    while left > 0:
        batch = _forked(min(at_once, left), sample)
        pipe.send(batch)
        left -= batch.number
        if not pipe.recv():
            return


def _forked(count: int, sample: int) -> Batch:
    """Processes that wait until a pipe closes: it closes, too, when this process dies."""
    reading, writing = os.pipe()
    pids: list[int] = []
    started = time.perf_counter()
    try:
        for _ in range(count):
            try:
                pid = os.fork()
            except OSError:  # the system gives no more
                break
            if pid == 0:
                _wait_for_the_end(reading, writing)
            pids.append(pid)
        start_seconds = time.perf_counter() - started
        own = list(_own_memory(pids[:: max(1, len(pids) // sample)]))
    finally:
        ending = time.perf_counter()
        os.close(writing)
        for pid in pids:
            os.waitpid(pid, 0)
        os.close(reading)
    return Batch(len(pids), start_seconds, time.perf_counter() - ending, sum(own) / len(own) if own else None)


def _own_memory(pids: Sequence[int]) -> Iterator[int]:
    with contextlib.suppress(psutil.AccessDenied):  # macOS asks for more rights
        for pid in pids:
            yield memory(pid).uss


def _wait_for_the_end(reading: int, writing: int) -> None:
    """All that a process of the crowd does. It leaves at once: what is above it on the stack is not its own."""
    try:
        os.close(writing)
        os.read(reading, 1)
    finally:
        os._exit(0)


# -- gil, scaling -------------------------------------------------------------------------------------------


def compute(pieces: int) -> list[Piece]:
    """Pieces of pure Python, each of some tenths of a millisecond."""
    done = []
    end, cpu_end = time.monotonic(), time.thread_time()
    for _ in range(pieces):
        start, cpu_start = end, cpu_end
        number = 1
        for _ in range(4000):
            number = (number * 5 + 3) % 1_000_003
        end, cpu_end = time.monotonic(), time.thread_time()
        done.append(Piece(start, end, cpu_end - cpu_start))
    return done


def wait(pieces: int, seconds: float) -> list[Piece]:
    """Waits, each as if for an answer from the network."""
    done = []
    for _ in range(pieces):
        start = time.monotonic()
        time.sleep(seconds)
        done.append(Piece(start, time.monotonic(), 0.0))
    return done


def compute_share(pipe: Connection, pieces: int) -> None:
    """Compute, and tell when."""
    pipe.send(compute(pieces))


def compute_and_time(pipe: Connection, pieces: int) -> None:
    """Compute; tell when that was done, and for how long in this process's life all cores were taken."""
    compute(pieces)
    pipe.send((time.monotonic(), waited_for_core()))


def waited_for_core() -> float:
    """Seconds for which this thread was ready to run and had no core; 0 where the system (macOS) does not count them."""
    try:
        with open("/proc/thread-self/schedstat", "rb") as counters:
            return int(counters.read().split()[1]) * 1e-9
    except OSError:
        return 0.0


def wait_share(pipe: Connection, pieces: int, seconds: float) -> None:
    """Wait, and tell when."""
    pipe.send(wait(pieces, seconds))


# -- fork-random --------------------------------------------------------------------------------------------


def draw_numbers(pipe: Connection, count: int, generator: object, stream: object) -> None:
    """Draw from every source that a forked worker may have; `generator` is a copy of the parent's, `stream` its own."""
    import numpy as np

    assert isinstance(generator, np.random.Generator)
    assert isinstance(stream, np.random.SeedSequence)
    own = np.random.default_rng(stream)
    sources = (random.random, np.random.random, generator.random, own.random)
    pipe.send([[float(draw()) for _ in range(count)] for draw in sources])


# -- pipeline -----------------------------------------------------------------------------------------------


class Turn(NamedTuple):
    """What a stage did with one micro-batch."""

    micro: int
    backward: bool
    start: float
    end: float


def pipeline_stage(
    pipe: Connection, micro_batches: int, seconds: float, before: Connection | None, behind: Connection | None
) -> None:
    """One stage: all micro-batches forward, then all of them backward; each takes `seconds` either way."""
    pipe.send(None)
    pipe.recv()
    done = []
    for backward, source, target in ((False, before, behind), (True, behind, before)):
        for micro in range(micro_batches):
            if source is not None:
                source.recv()
            start = time.monotonic()
            time.sleep(seconds)
            done.append(Turn(micro, backward, start, time.monotonic()))
            if target is not None:
                target.send(None)
    pipe.send(done)


# -- thousand-ranks -----------------------------------------------------------------------------------------


def echo(pipe: Connection, address: tuple[str, int], messages: Sequence[tuple[int, int]]) -> None:
    """Send back what comes over a socket: of each size in bytes, so many messages."""
    with socket.create_connection(address) as wire:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for size, times in messages:
            message = memoryview(bytearray(size))
            for _ in range(times):
                receive(wire, message)
                wire.sendall(message)
    pipe.send(None)


def receive(wire: socket.socket, message: memoryview) -> None:
    """Fill `message` with what comes.

    Raises:
        EOFError: The other side has closed the socket before.
    """
    got = 0
    while got < len(message):
        more = wire.recv_into(message[got:])
        if not more:
            raise EOFError
        got += more
