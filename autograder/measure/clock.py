"""The corrected clock: how long a program would have taken had every thread of it found a core free.

Linux counts, for each thread, the time that it ran and the time that it was ready to run but waited for a core
(``/proc/PID/task/TID/schedstat``; Documentation/scheduler/sched-stats). Of the time for which a thread was runnable it
got the share ``run / (run + delay)``; on free cores it would have got all of it, and been as much sooner where it was
going. So an interval in which threads were runnable counts with their share, and one in which none was, since all
waited for one another or for IO, counts whole. A lock, a pipe and the GIL stay visible; neighbours on the machine, or
too few cores, do not.

Where several threads were runnable, their shares are weighted by the CPU time that they use in all: a thread that
hands out work, and is mostly late for it, says little about how fast the work gets on.

The kernel books a delay when the thread at last gets its core, and a run when it ticks. Both are spread back over the
time in which they arose, and since one thread cannot run and wait at the same time, a delay lies before the run that
ended it.
"""

from dataclasses import dataclass, field

from autograder.sandbox import Snapshot

_NS = 1e-9
#: A thread is looked at a moment after the time that its snapshot bears: what does not fit goes back this much further.
_SLACK = 0.02


_Thread = tuple[int, int]


@dataclass(slots=True)
class _Interval:
    start: float
    end: float
    #: For how long each thread ran or was ready to.
    runnable: dict[_Thread, float] = field(default_factory=dict)

    @property
    def length(self) -> float:
        return self.end - self.start


@dataclass(slots=True)
class CorrectedClock:
    """Feed it snapshots of one process tree; all times are in seconds."""

    _last: dict[_Thread, tuple[int, int]] = field(default_factory=dict)
    _first: dict[_Thread, tuple[int, int]] = field(default_factory=dict)
    _intervals: list[_Interval] = field(default_factory=list)
    _at: float = 0.0

    def start(self, snapshot: Snapshot) -> None:
        """The measured time begins."""
        self._at = snapshot.at
        for process in snapshot.processes.values():
            for thread, counters in process.threads.items():
                self._last[process.pid, thread] = counters
                self._first[process.pid, thread] = counters

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
        used = (run - self._first.get(key, (0, 0))[0] for key, (run, _) in counters if pid in (None, key[0]))
        return sum(used) * _NS

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
        run: dict[_Thread, float] = {}
        share: dict[_Thread, float] = {}
        for thread, (ran, late) in self._last.items():
            ran_before, late_before = self._first.get(thread, (0, 0))
            run[thread] = (ran - ran_before) * _NS
            runnable = ran - ran_before + late - late_before
            share[thread] = (ran - ran_before) / runnable if runnable > 0 else 0.0
        return max(max(run.values(), default=0.0), sum(_on_free_cores(one, run, share) for one in self._intervals))

    def _spread(self, thread: _Thread, run: float, delay: float) -> None:
        earliest = self._at - run - delay - _SLACK
        for interval in reversed(self._intervals):
            if run + delay <= 0 or interval.end < earliest:
                return
            room = max(0.0, interval.length - interval.runnable.get(thread, 0.0))
            run_here = min(run, room)
            delay_here = min(delay, room - run_here)
            if run_here + delay_here > 0:
                interval.runnable[thread] = interval.runnable.get(thread, 0.0) + run_here + delay_here
            run -= run_here
            delay -= delay_here


def _on_free_cores(interval: _Interval, run: dict[_Thread, float], share: dict[_Thread, float]) -> float:
    # More than one thread can be runnable at once: no more than the interval itself can be shortened.
    busy = min(interval.length, sum(interval.runnable.values()))
    weights = {thread: seconds * run[thread] for thread, seconds in interval.runnable.items()}
    total = sum(weights.values())
    got = sum(weight * share[thread] for thread, weight in weights.items()) / total if total > 0 else 0.0
    return interval.length - busy + busy * got
