"""What was seen of one call from outside: its processes, how many lived at once, its times, what it left behind."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from autograder.errors import SubmissionError
from autograder.measure.clock import CorrectedClock
from autograder.measure.timeline import Recorder, told
from autograder.records.timeline import CallTimeline
from autograder.sandbox import Outcome, Snapshot
from autograder.sandbox.call import Leftovers
from autograder.sandbox.procfs import LINUX, Identity, command_line, identity

#: CPU time under which a process that looks like one of Python's helpers is taken for one.
HELPER_CPU_SECONDS = 0.3
_FORK_SERVER = "multiprocessing.forkserver import main"
_HELPERS = ("multiprocessing.resource_tracker import main", _FORK_SERVER)
_SPAWNED = "multiprocessing.spawn import spawn_main"


class StartMethod(StrEnum):
    """How a process came about, in the words of ``multiprocessing``; the quickest way first."""

    FORK = "fork"
    FORKSERVER = "forkserver"
    SPAWN = "spawn"


@dataclass(frozen=True, slots=True)
class SeenProcess:
    """One process that a call started. Pids are those that the process itself sees."""

    pid: int
    ppid: int
    pgid: int
    cpu_seconds: float
    #: Most threads that it had at once.
    threads: int
    start_method: StartMethod


@dataclass(frozen=True, slots=True)
class Observation:
    """A call that returned or raised, and what was seen of it."""

    error: SubmissionError | None
    wall_seconds: float
    #: What the corrected clock shows: its lower and its upper reading.
    corrected_seconds: float
    corrected_at_most: float
    cpu_seconds: float
    #: True where the corrected clock had its counters; else it shows the wall clock's time.
    corrected: bool
    caller: int
    processes: tuple[SeenProcess, ...]
    #: Most processes alive at the same moment, beside the caller and Python's helpers.
    peak_processes: int
    #: Most threads of the caller at once, beyond the one that makes the call.
    peak_threads: int
    leftovers: Leftovers
    stdout: str
    stderr: str
    #: What went over the sandbox's loopback network, in bytes.
    loopback_bytes: int
    _value: Any = None
    #: What its processes handed to ``write``, for pipes and files, in bytes; None where that cannot be known. Not what a
    #: process wrote that had ended and that none of the others had waited for.
    written_bytes: int | None = None
    #: Most shared memory that one of its processes had touched, in bytes (Linux).
    shared_bytes: int = 0

    @property
    def start_method(self) -> StartMethod:
        """How its processes were started: the quickest way that any of those took that did the work."""
        most = max((process.cpu_seconds for process in self.processes), default=0.0)
        used = {process.start_method for process in self.processes if process.cpu_seconds >= most / 10}
        return min(used, key=list(StartMethod).index, default=StartMethod.FORK)

    @property
    def value(self) -> Any:
        """What the call returned.

        Raises:
            SubmissionError: It raised instead.
        """
        if self.error is not None:
            raise self.error
        return self._value


@dataclass(slots=True)
class _Seen:
    parent: int
    group: int
    identity: Identity | None
    threads: int = 0
    stack: int = 0


@dataclass(slots=True)
class Watch:
    """An observer that remembers every process. Give it to ``Sandbox.run``, then ask for the observation."""

    clock: CorrectedClock = field(default_factory=CorrectedClock)
    #: Remembers what ran when, where that is wanted.
    recorder: Recorder | None = None
    _caller: int = 0
    _baseline_threads: int = 1
    _seen: dict[int, _Seen] = field(default_factory=dict)
    _alive: list[frozenset[int]] = field(default_factory=list)
    _caller_threads: int = 0
    _running: bool = True
    _shared_kib: int = 0

    def started(self, caller: int, snapshot: Snapshot) -> None:
        self._caller = caller
        if caller in snapshot.processes:
            self._baseline_threads = len(snapshot.processes[caller].threads)
        self.clock.start(snapshot)
        if self.recorder is not None:
            self.recorder.started(caller, snapshot)
        self._notice(snapshot)

    def tick(self, snapshot: Snapshot) -> None:
        if self._caller == 0:
            return  # still before the start
        self._notice(snapshot)
        if self._running:
            self.clock.tick(snapshot)
            if self.recorder is not None:
                self.recorder.tick(snapshot)

    def finished(self, snapshot: Snapshot) -> None:
        self._notice(snapshot)
        self.clock.tick(snapshot)
        if self.recorder is not None:
            self.recorder.finished(snapshot)
        self._running = False

    def _notice(self, snapshot: Snapshot) -> None:
        alive = frozenset(process.pid for process in snapshot.processes.values() if process.alive)
        if not self._alive or alive != self._alive[-1]:
            self._alive.append(alive)
        self._shared_kib = max([self._shared_kib, *(process.shared_kib for process in snapshot.processes.values())])
        ours = self._seen[self._caller].identity if self._caller in self._seen else None
        for process in snapshot.processes.values():
            seen = self._seen.get(process.pid)
            if seen is None:
                who = identity(process.pid)
                seen = self._seen[process.pid] = _Seen(process.parent, process.group, who)
            elif process.alive:
                seen.group = process.group
                if seen.identity is None:
                    seen.identity = identity(process.pid)
                elif ours is not None and seen.identity.command in ((), ours.command):
                    # A process that was only forked may still become another program.
                    seen.identity = Identity(seen.identity.pid, command_line(process.pid) or seen.identity.command)
            seen.stack = process.stack or seen.stack  # a zombie has none any more
            seen.threads = max(seen.threads, len(process.threads))
        if self._caller in snapshot.processes:
            extra = len(snapshot.processes[self._caller].threads) - self._baseline_threads
            self._caller_threads = max(self._caller_threads, extra)

    def observation(self, outcome: Outcome, error: SubmissionError | None) -> Observation:
        """What was seen, once the call has ended."""
        helpers, inner = self._helpers(), self._inner()
        started = [pid for pid in self._seen if pid != self._caller and pid not in helpers]
        processes = tuple(
            SeenProcess(
                pid=inner.get(pid, 0),
                ppid=inner.get(self._seen[pid].parent, 1),
                pgid=inner.get(self._seen[pid].group, 0),
                cpu_seconds=self.clock.cpu_seconds(pid),
                threads=self._seen[pid].threads,
                start_method=self._start_method(pid),
            )
            for pid in started
        )
        not_counted = helpers | {self._caller}
        lower, upper = self.clock.readings()
        return Observation(
            error=error,
            wall_seconds=self.clock.wall_seconds,
            corrected_seconds=lower,
            corrected_at_most=upper,
            cpu_seconds=self.clock.cpu_seconds(),
            corrected=LINUX,
            caller=inner.get(self._caller, self._caller),
            processes=processes,
            peak_processes=max((len(alive - not_counted) for alive in self._alive), default=0),
            peak_threads=self._caller_threads,
            leftovers=Leftovers(
                processes=tuple(f"process {inner.get(pid, pid)}" for pid in sorted(outcome.surviving - helpers)),
                threads=(f"{outcome.surviving_threads} thread(s)",) if outcome.surviving_threads else (),
                segments=outcome.segments,
                files=outcome.files,
            ),
            stdout=outcome.stdout,
            stderr=outcome.stderr,
            loopback_bytes=outcome.loopback_bytes,
            _value=outcome.value,
            written_bytes=outcome.written_bytes,
            shared_bytes=1024 * self._shared_kib,
        )

    def timeline(self, label: str, outcome: Outcome) -> CallTimeline | None:
        """What ran when, however the call ended; None where it never began, or nobody recorded it."""
        if self.recorder is None:
            return None
        return self.recorder.timeline(label, self._inner(), self._helpers(), told(outcome.value))

    def _inner(self) -> dict[int, int]:
        """The pids that processes themselves see, by those that the grader sees."""
        return {pid: seen.identity.pid for pid, seen in self._seen.items() if seen.identity is not None}

    def _helpers(self) -> set[int]:
        return {pid for pid in self._seen if self._is_helper(pid)}

    def _start_method(self, pid: int) -> StartMethod:
        # A process can write what it likes over its command line, but its stack stays where it was started.
        if self._seen[pid].stack == self._seen[self._caller].stack:
            return StartMethod.FORK
        command = " ".join(self._command(pid))
        if _FORK_SERVER in command:
            return StartMethod.FORKSERVER
        return StartMethod.SPAWN if _SPAWNED in command else StartMethod.FORK

    def _command(self, pid: int) -> tuple[str, ...]:
        seen = self._seen.get(pid)
        return seen.identity.command if seen is not None and seen.identity is not None else ()

    def _is_helper(self, pid: int) -> bool:
        """One of Python's own: the resource tracker or the fork server, by its command line and its idleness."""
        command = self._command(pid)
        if not any(mark in part for mark in _HELPERS for part in command):
            return False
        if self._command(self._seen[pid].parent) == command:
            return False  # a worker that the fork server forked
        return self.clock.cpu_seconds(pid) < HELPER_CPU_SECONDS
