"""The corrected clock: how long a program would have taken had every thread of it found a core free.

Linux counts, for each thread, the time that it ran and the time that it was ready to run but waited for a core
(``/proc/PID/task/TID/schedstat``; Documentation/scheduler/sched-stats). Of the time for which a thread was runnable it
got the share ``run / (run + delay)``; on free cores it would have got all of it, and been as much sooner where it was
going. So an interval in which threads were runnable counts with their share, and one in which none was, since all
waited for one another or for IO, counts whole. A lock, a pipe and the GIL stay visible; neighbours on the machine, or
too few cores, do not.

Where several threads were runnable, their shares are weighted by the CPU time that they use in all: a thread that
hands out work, and is mostly late for it, says little about how fast the work gets on.

A thread that is woken in vain, for a lock that is no longer free or a look at the clock, and sleeps again at once, may
wait long for its turn where cores are few. What it waits for it would not have used: such a delay tells nothing of the
share, or programs that take turns would look parallel.

What cannot be told from counters is whether a thread that was woken late would have been woken as early on free cores. So
there are two readings: the lower takes every delay as time that free cores would have saved, the upper only the delays of
threads whose core was taken from them while they ran. Where no thread waits for another, both are the same. Where many
wait, late wakings also change who gets a lock next, and work that free cores would have done side by side is done in turn:
counters cannot undo that. So the lower reading is lowered further, by as much as such delays are beside the time measured,
to at most a half: measured with programs whose truth is known, it then lies below the truth (docs/speedup.md).

The kernel books a delay when the thread at last gets its core, and a run when it ticks. Both are spread back over the
time in which they arose, and since one thread cannot run and wait at the same time, a delay lies before the run that
ended it.
"""

from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import pairwise

from autograder.sandbox import Counters, Snapshot

_NS = 1e-9
#: A thread is looked at a moment after the time that its snapshot bears: what does not fit goes back this much further.
_SLACK = 0.02
#: Who runs for less than this, in seconds, when at last given a core was woken in vain.
_IN_VAIN = 1e-4
#: Delays after a waking that change nothing, as a part of the time measured: starts, ends, a task handed over now and then.
_FEW = 0.05

_Thread = tuple[int, int]


@dataclass(slots=True)
class _Booking:
    """What was counted of one thread in one interval; times in seconds."""

    interval: int
    run: float
    delay: float
    turns: int
    waits: int

    @property
    def taken(self) -> float:
        """The part of the delay in which the thread had not waited before: its core was taken from it."""
        return self.delay * max(0.0, 1.0 - self.waits / max(1, self.turns))


@dataclass(slots=True)
class CorrectedClock:
    """Feed it snapshots of one process tree; all times are in seconds."""

    _last: dict[_Thread, Counters] = field(default_factory=dict)
    _first: dict[_Thread, Counters] = field(default_factory=dict)
    _bookings: dict[_Thread, list[_Booking]] = field(default_factory=dict)
    #: Where the intervals begin and end.
    _edges: list[float] = field(default_factory=list)

    def start(self, snapshot: Snapshot) -> None:
        """The measured time begins."""
        self._edges = [snapshot.at]
        for process in snapshot.processes.values():
            for thread, counters in process.threads.items():
                self._last[process.pid, thread] = self._first[process.pid, thread] = counters

    def tick(self, snapshot: Snapshot) -> None:
        """What was counted up to now."""
        if snapshot.at <= self._edges[-1]:
            return
        interval = len(self._edges) - 1
        self._edges.append(snapshot.at)
        for process in snapshot.processes.values():
            for thread, now in process.threads.items():
                key = process.pid, thread
                before = self._last.get(key, Counters(0, 0))
                if now != before:
                    self._last[key] = now
                    run, delay = max(0, now.run - before.run) * _NS, max(0, now.delay - before.delay) * _NS
                    booking = _Booking(interval, run, delay, now.turns - before.turns, now.waits - before.waits)
                    self._bookings.setdefault(key, []).append(booking)

    def cpu_seconds(self, pid: int | None = None) -> float:
        """CPU time that all threads, or those of one process, have used since the start."""
        return sum(self._run(thread) for thread in self._last if pid in (None, thread[0]))

    @property
    def wall_seconds(self) -> float:
        """What an ordinary clock shows."""
        return self._edges[-1] - self._edges[0] if self._edges else 0.0

    @property
    def corrected_seconds(self) -> float:
        """What the clock shows with every thread on a core of its own: its lower reading."""
        return self.readings()[0]

    @property
    def corrected_at_most(self) -> float:
        """Its upper reading."""
        return self.readings()[1]

    def readings(self) -> tuple[float, float]:
        """The lower and the upper reading.

        No core of its own makes a thread quicker than its own CPU time. So the busiest thread counts with that while it
        was runnable, and with the rest of the reading where it was not: this tells an uneven split from an even one, whose
        shares are alike only while all of its threads run, and bounds what idle threads that wait beside it could feign.
        """
        lengths = [end - begin for begin, end in pairwise(self._edges)]
        runnable = [0.0] * len(lengths)
        weights = [0.0] * len(lengths)
        shares = [0.0] * len(lengths), [0.0] * len(lengths)
        busiest, longest, woken_late = dict[int, float](), 0.0, 0.0
        for thread, bookings in self._bookings.items():
            run = self._run(thread)
            late, taken = _late(bookings)
            woken_late += sum(booking.delay for booking in bookings) - taken
            lower, upper = (run / (run + delay) if run + delay > 0 else 0.0 for delay in (late, taken))
            spread = self._spread(bookings, lengths)
            if run > longest:
                busiest, longest = spread, run
            for interval, seconds in spread.items():
                weight = seconds * run
                runnable[interval] += seconds
                weights[interval] += weight
                shares[0][interval] += weight * lower
                shares[1][interval] += weight * upper
        totals, bounds = [0.0, 0.0], [longest, longest]
        for interval, (length, weight) in enumerate(zip(lengths, weights, strict=True)):
            # More than one thread can be runnable at once: no more than the interval itself can be shortened.
            busy = min(length, runnable[interval])
            beside = 1 - busiest.get(interval, 0.0) / length
            for reading, share in enumerate(shares):
                counted = length - busy + (busy * share[interval] / weight if weight > 0 else 0.0)
                totals[reading] += counted
                bounds[reading] += beside * counted
        lower, upper = map(max, totals, bounds)
        coupled = min(1.0, max(0.0, woken_late / self.wall_seconds - _FEW)) if self.wall_seconds > 0 else 0.0
        return max(longest, lower / (1 + coupled)), upper

    def _run(self, thread: _Thread) -> float:
        before = self._first.get(thread)
        return (self._last[thread].run - (before.run if before else 0)) * _NS

    def _spread(self, bookings: list[_Booking], lengths: list[float]) -> dict[int, float]:
        """For how long the thread ran or was ready to in each interval."""
        found: dict[int, float] = {}
        for booking in bookings:
            left = booking.run + booking.delay
            earliest = bisect_right(self._edges, self._edges[booking.interval + 1] - left - _SLACK) - 1
            for interval in range(booking.interval, max(earliest, 0) - 1, -1):
                here = min(left, max(0.0, lengths[interval] - found.get(interval, 0.0)))
                if here > 0:
                    found[interval] = found.get(interval, 0.0) + here
                    left -= here
                if left <= 0:
                    break
        return found


def _late(bookings: list[_Booking]) -> tuple[float, float]:
    """The thread's delays that tell its share: all of them, and those alone in which its core was taken from it.

    Left out are those after which the thread hardly ran before it slept again.
    """
    late = taken = run = 0.0
    for booking in reversed(bookings):
        # A run is booked when the kernel ticks, and so perhaps after the turn that it began with.
        run += booking.run
        in_vain = False
        if booking.turns > 0:
            # Turns that end although the thread would go on are not in vain, however short.
            in_vain = run / booking.turns < _IN_VAIN and booking.waits > booking.turns / 2
            run = 0.0
        if not in_vain:
            late += booking.delay
            taken += booking.taken
    return late, taken
