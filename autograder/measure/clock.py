"""The corrected clock: how long a program would have taken had every thread of it found a core free.

Linux counts, for each thread, the time that it ran and the time that it was ready to run but waited for a core
(``/proc/PID/task/TID/schedstat``; Documentation/scheduler/sched-stats). Sampled over a whole process tree, an
interval in which its threads ran for ``r`` and were kept waiting for ``d`` would on free cores have taken ``r /
(r + d)`` of the time; where nothing ran or was ready, all waited for one another or for IO, and the interval
counts whole. So a lock, a pipe and the GIL stay visible, and neighbours on the machine, or too few cores, do
not.

The kernel books a delay when the thread at last gets its core, and a run when it ticks. Both are spread back over
the time in which they arose, and since one thread cannot run and wait at the same time, a delay lies before the run
that ended it.
"""

from dataclasses import dataclass, field

from autograder.sandbox import Snapshot

_NS = 1e-9
#: A thread is looked at a moment after the time that its snapshot bears: what does not fit goes back this much further.
_SLACK = 0.02


@dataclass(slots=True)
class _Interval:
    start: float
    end: float
    run: float = 0.0
    delay: float = 0.0
    #: How much of it is accounted for, by thread.
    used: dict[tuple[int, int], float] = field(default_factory=dict)

    @property
    def corrected(self) -> float:
        length = self.end - self.start
        # More than one thread can be ready at once: no more than the interval itself can be shortened.
        busy = min(length, self.run + self.delay)
        share = self.run / (self.run + self.delay) if self.run + self.delay > 0 else 1.0
        return (length - busy) + busy * share


@dataclass(slots=True)
class CorrectedClock:
    """Feed it snapshots of one process tree; all times are in seconds."""

    _last: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    _first_run: dict[tuple[int, int], int] = field(default_factory=dict)
    _intervals: list[_Interval] = field(default_factory=list)
    _at: float = 0.0

    def start(self, snapshot: Snapshot) -> None:
        """The measured time begins."""
        self._at = snapshot.at
        for process in snapshot.processes.values():
            for thread, counters in process.threads.items():
                self._last[process.pid, thread] = counters
                self._first_run[process.pid, thread] = counters[0]

    def tick(self, snapshot: Snapshot) -> None:
        """What was counted up to now."""
        if snapshot.at <= self._at:
            return
        self._intervals.append(_Interval(self._at, snapshot.at))
        self._at = snapshot.at
        for process in snapshot.processes.values():
            for thread, (run, delay) in process.threads.items():
                run_before, delay_before = self._last.get((process.pid, thread), (0, 0))
                self._last[process.pid, thread] = (run, delay)
                booked = max(0, run - run_before) * _NS, max(0, delay - delay_before) * _NS
                self._spread((process.pid, thread), *booked)

    def cpu_seconds(self, pid: int | None = None) -> float:
        """CPU time that all threads, or those of one process, have used since the start."""
        counters = self._last.items()
        used = (run - self._first_run.get(key, 0) for key, (run, _) in counters if pid in (None, key[0]))
        return sum(used) * _NS

    def delay_seconds(self) -> float:
        """Time that threads were ready and waited for a core."""
        return sum(interval.delay for interval in self._intervals)

    @property
    def wall_seconds(self) -> float:
        """What an ordinary clock shows."""
        return sum(interval.end - interval.start for interval in self._intervals)

    @property
    def corrected_seconds(self) -> float:
        """What the clock shows with every thread on a core of its own.

        No core of its own makes a thread quicker than its own CPU time: this bounds what idle threads that are made to wait
        beside it could feign.
        """
        longest = max((run - self._first_run.get(key, 0) for key, (run, _) in self._last.items()), default=0) * _NS
        return max(longest, sum(interval.corrected for interval in self._intervals))

    def _spread(self, thread: tuple[int, int], run: float, delay: float) -> None:
        earliest = self._at - run - delay - _SLACK
        for interval in reversed(self._intervals):
            if run + delay <= 0 or interval.end < earliest:
                return
            used = interval.used.get(thread, 0.0)
            room = max(0.0, interval.end - interval.start - used)
            run_here = min(run, room)
            delay_here = min(delay, room - run_here)
            interval.run += run_here
            interval.delay += delay_here
            interval.used[thread] = used + run_here + delay_here
            run -= run_here
            delay -= delay_here
