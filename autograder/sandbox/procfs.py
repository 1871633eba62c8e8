"""What the operating system says of a process tree, from outside: one :class:`Snapshot` at a time.

On Linux from procfs, with the scheduler's counters of every thread; elsewhere from psutil, without them.
"""

import contextlib
import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import psutil

_PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024
_PROC = "/proc"
_SHARED = "/dev/shm/"
LINUX = sys.platform == "linux"


class Counters(NamedTuple):
    """What the scheduler has counted of one thread (``schedstat`` and ``status`` in ``/proc/PID/task/TID``)."""

    #: Nanoseconds run.
    run: int
    #: Nanoseconds ready to run, but waiting for a core.
    delay: int
    #: How often it was given a core.
    turns: int = 0
    #: How often it gave its core back by itself, to wait for something.
    waits: int = 0


@dataclass(slots=True)
class ProcessState:
    """One process at one moment. Pids are the grader's, not those inside the sandbox."""

    pid: int
    parent: int
    group: int
    #: ``R``, ``S``, ``D``, ``Z`` ... as in ``proc_pid_stat(5)``.
    state: str
    #: Memory that is its own (resident, less what is shared), in KiB.
    memory_kib: int
    #: By thread id.
    threads: dict[int, Counters] = field(default_factory=dict)
    #: Memory that is shared and lies in no file, in KiB: what it has touched of segments and of mappings without a name.
    shared_kib: int = 0
    #: Where its stack begins: at a random place for each program that is started, at the parent's in a fork. 0 where
    #: that cannot be known.
    stack: int = 0

    @property
    def alive(self) -> bool:
        return self.state not in "ZX"


@dataclass(slots=True)
class Snapshot:
    """A process tree at one moment, without its root (the warden, which is ours)."""

    #: Seconds on the grader's monotonic clock.
    at: float
    processes: dict[int, ProcessState]


@dataclass(frozen=True, slots=True)
class Identity:
    """What a process is called inside the sandbox."""

    pid: int
    command: tuple[str, ...]


def snapshot(root: int) -> Snapshot:
    """All processes below ``root`` now."""
    at = time.monotonic()
    return Snapshot(at, dict(_linux_tree(root) if LINUX else _psutil_tree(root)))


def identity(pid: int) -> Identity | None:
    """Name and command line of a process, or None when it is gone."""
    if not LINUX:
        try:
            return Identity(pid, tuple(psutil.Process(pid).cmdline()))
        except psutil.Error:
            return None
    try:
        with open(f"{_PROC}/{pid}/status", "rb") as stream:
            status = stream.read()
        command = command_line(pid)
    except OSError:
        return None
    start = status.find(b"\nNSpid:")
    inner = int(status[start + 7 : status.find(b"\n", start + 1)].split()[-1]) if start >= 0 else pid
    return Identity(inner, command)


def command_line(pid: int) -> tuple[str, ...]:
    """The command line of a process on Linux; empty for a zombie."""
    try:
        with open(f"{_PROC}/{pid}/cmdline", "rb") as stream:
            return tuple(part.decode(errors="replace") for part in stream.read(4096).split(b"\0") if part)
    except OSError:
        return ()


def root_of(pid: int) -> Path:
    """Where the file system that a process sees can be read from outside (Linux)."""
    return Path(f"{_PROC}/{pid}/root")


def written_bytes(pids: Iterable[int]) -> int | None:
    """Bytes that processes have handed to ``write``, for pipes and files; None where this cannot be seen of any of them.

    The kernel adds to a process what those wrote that it has waited for (``wait_task_zombie`` in kernel/exit.c): of a
    tree in which every process is waited for, the root knows it all.
    """
    found = []
    for pid in pids:
        with contextlib.suppress(OSError, ValueError, IndexError), open(f"{_PROC}/{pid}/io", "rb") as stream:
            found.append(int(stream.read().partition(b"wchar:")[2].split(maxsplit=1)[0]))
    return sum(found) if found else None


def mapped_segments(pid: int) -> set[str]:
    """Names in /dev/shm that a process has mapped, as far as it may be asked (Linux)."""
    try:
        with open(f"{_PROC}/{pid}/maps", encoding="utf-8", errors="replace") as stream:
            return {line.rstrip("\n").partition(_SHARED)[2] for line in stream if _SHARED in line}
    except OSError:
        return set()


def loopback_bytes(pid: int) -> int:
    """Bytes that the loopback of a process's network namespace has carried."""
    try:
        for line in Path(f"{_PROC}/{pid}/net/dev").read_text().splitlines():
            name, _, figures = line.partition(":")
            if name.strip() == "lo":
                return int(figures.split()[0])
    except (OSError, ValueError, IndexError):
        pass
    return 0


def _linux_tree(root: int) -> Iterator[tuple[int, ProcessState]]:
    pending = _children(root)
    while pending:
        pid = pending.pop()
        process = _linux_process(pid)
        if process is None:
            continue
        for thread in _threads(pid):
            try:
                with open(f"{_PROC}/{pid}/task/{thread}/schedstat", "rb") as stream:
                    run, delay, turns = map(int, stream.read().split())
                with open(f"{_PROC}/{pid}/task/{thread}/status", "rb") as stream:
                    status = stream.read()
                waits = int(status.partition(b"\nvoluntary_ctxt_switches:")[2].split(maxsplit=1)[0])
                if shared := status.partition(b"\nRssShmem:")[2].split(maxsplit=1):  # a zombie has no memory
                    process.shared_kib = int(shared[0])
                process.threads[thread] = Counters(run, delay, turns, waits)
                with open(f"{_PROC}/{pid}/task/{thread}/children", "rb") as stream:
                    pending += [int(child) for child in stream.read().split()]
            except (OSError, ValueError, IndexError):
                continue
        yield pid, process


def _linux_process(pid: int) -> ProcessState | None:
    try:
        with open(f"{_PROC}/{pid}/stat", "rb") as stream:
            # The name in parentheses may itself hold spaces and parentheses.
            fields = stream.read().rpartition(b")")[2].split()
        with open(f"{_PROC}/{pid}/statm", "rb") as stream:
            pages = stream.read().split()
    except OSError:
        return None
    own = (int(pages[1]) - int(pages[2])) * _PAGE_KIB if len(pages) > 2 else 0
    return ProcessState(pid, int(fields[1]), int(fields[2]), fields[0].decode(), own, stack=int(fields[25]))


def _threads(pid: int) -> list[int]:
    try:
        return [int(name) for name in os.listdir(f"{_PROC}/{pid}/task")]  # noqa: PTH208 - the hot path
    except OSError:
        return []


def _children(pid: int) -> list[int]:
    found = []
    for thread in _threads(pid):
        try:
            with open(f"{_PROC}/{pid}/task/{thread}/children", "rb") as stream:
                found += [int(child) for child in stream.read().split()]
        except OSError:
            continue
    return found


def _psutil_tree(root: int) -> Iterator[tuple[int, ProcessState]]:
    try:
        below = psutil.Process(root).children(recursive=True)
    except psutil.Error:
        return
    letters = {psutil.STATUS_ZOMBIE: "Z", psutil.STATUS_RUNNING: "R"}
    for process in below:
        try:
            with process.oneshot():
                times = process.cpu_times()
                state = ProcessState(
                    process.pid,
                    process.ppid(),
                    os.getpgid(process.pid),
                    letters.get(process.status(), "S"),
                    process.memory_info().rss // 1024,
                )
                run = int((times.user + times.system) * 1e9)
                state.threads = {index: Counters(run if index == 0 else 0, 0) for index in range(process.num_threads())}
        except (psutil.Error, OSError):
            continue
        yield process.pid, state
