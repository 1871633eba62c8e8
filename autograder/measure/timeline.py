"""What ran when in a call, put together from snapshots of its processes.

The kernel counts for each thread how long it ran and how long it was ready but waited for a core. Between two snapshots
the rest of the time it was blocked. Where within those few milliseconds it did which cannot be seen: what goes on from
the interval before is put first. Counts come late (a delay is booked when the thread at last gets its core), so what
does not fit into the last interval belongs to those before.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, Any

import msgspec

from autograder.records.timeline import CallTimeline, Doing, Mark, Role, Row, Segment, in_slots
from autograder.sandbox import ProcessState, Snapshot

#: What is kept of one call.
MOST_ROWS = 40
MOST_SEGMENTS = 100
MOST_MARKS = 400
_LONGEST_NAME = 40
#: Digits kept of seconds: to 10 microseconds.
_DIGITS = 5
_NS = 1e-9
#: Stretches shorter than this are rounding, in seconds.
_NOTHING = 1e-6
#: A thread is looked at a moment after the time that its snapshot bears: that far back what does not fit may go.
_SLACK = 0.02

_Size = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Number = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]


class Inside(msgspec.Struct, frozen=True):
    """What a driver may tell of a call, as the entry ``"timeline"`` of the dictionary that it returns.

    It comes from where student code runs, and may be a lie: it is drawn, and used for nothing else.
    """

    #: The processes' own pids, by rank.
    ranks: tuple[_Number, ...] = ()
    #: Rank, name, bytes, and start and end on the machine's monotonic clock; no end where it never ended.
    marks: tuple[tuple[_Number, str, _Size, float, float | None], ...] = ()


def told(value: Any) -> Inside:
    """What the value of a call says for the timeline: nothing, where it says it in another form than ``Inside``."""
    try:
        return msgspec.convert(value["timeline"] if isinstance(value, dict) else {}, Inside)
    except (KeyError, msgspec.ValidationError):
        return Inside()


@dataclass(slots=True)
class _Thread:
    pid: int
    parent: int
    number: int
    start: float
    end: float
    #: The kernel's counters when it was first and last seen: nanoseconds run and delayed.
    first: tuple[int, int]
    last: tuple[int, int]
    #: Seconds run and delayed, by interval.
    ran: dict[int, float] = field(default_factory=dict)
    late: dict[int, float] = field(default_factory=dict)

    @property
    def cpu_seconds(self) -> float:
        return (self.last[0] - self.first[0]) * _NS

    @property
    def waiting_seconds(self) -> float:
        return (self.last[1] - self.first[1]) * _NS


@dataclass(slots=True)
class Recorder:
    """An observer that remembers what every thread did."""

    _caller: int = 0
    #: Moments of the snapshots, on the monotonic clock: intervals lie between them.
    _moments: list[float] = field(default_factory=list)
    _threads: dict[tuple[int, int], _Thread] = field(default_factory=dict)
    #: How many threads each process has had.
    _had: Counter[int] = field(default_factory=Counter)
    _running: bool = False

    def started(self, caller: int, snapshot: Snapshot) -> None:
        self._caller, self._running = caller, True
        self._moments.append(snapshot.at)
        for _, process in sorted(snapshot.processes.items()):  # those that appear together, in the order of their pids
            for name, counters in process.threads.items():
                self._add(process, name, (counters[0], counters[1]), snapshot.at)

    def tick(self, snapshot: Snapshot) -> None:
        if not self._running or snapshot.at <= self._moments[-1]:
            return
        self._moments.append(snapshot.at)
        for _, process in sorted(snapshot.processes.items()):
            for name, counters in process.threads.items():
                self._look(process, name, (counters[0], counters[1]))

    def finished(self, snapshot: Snapshot) -> None:
        self.tick(snapshot)
        self._running = False

    def _look(self, process: ProcessState, name: int, counters: tuple[int, int]) -> None:
        before, now = self._moments[-2:]
        thread = self._threads.get((process.pid, name))
        if thread is None:
            lived = sum(counters) * _NS
            thread = self._add(process, name, (0, 0), max(before, now - lived) if lived else before)
        run, delay = (max(0, new - old) * _NS for new, old in zip(counters, thread.last, strict=True))
        thread.last = counters
        thread.end = now if process.alive else min(now, thread.end + run + delay)
        self._spread(thread, run, delay)

    def _add(self, process: ProcessState, name: int, counters: tuple[int, int], start: float) -> _Thread:
        number = self._had[process.pid]
        thread = _Thread(process.pid, process.parent, number, start, start, counters, counters)
        self._threads[process.pid, name] = thread
        self._had[process.pid] += 1
        return thread

    def _spread(self, thread: _Thread, run: float, delay: float) -> None:
        earliest = self._moments[-1] - run - delay - _SLACK
        for index in range(len(self._moments) - 2, -1, -1):
            start, end = self._moments[index], self._moments[index + 1]
            if run + delay <= 0 or end < earliest or end <= thread.start:
                return
            room = min(end, thread.end) - max(start, thread.start)
            room = max(0.0, room - thread.ran.get(index, 0.0) - thread.late.get(index, 0.0))
            run_here = min(run, room)
            delay_here = min(delay, room - run_here)
            if run_here > 0:
                thread.ran[index] = thread.ran.get(index, 0.0) + run_here
            if delay_here > 0:
                thread.late[index] = thread.late.get(index, 0.0) + delay_here
            run -= run_here
            delay -= delay_here

    def timeline(
        self, label: str, pids: Mapping[int, int], helpers: Collection[int] = (), inside: Inside | None = None
    ) -> CallTimeline | None:
        """What was seen; None where the call never began.

        Args:
            label: What was called.
            pids: From the pids of the snapshots to those that the processes themselves see.
            helpers: Those that are Python's own.
            inside: What was reported from inside.
        """
        if not self._moments:
            return None
        inside = inside or Inside()
        seconds = self._moments[-1] - self._moments[0]
        ranks = {pid: rank for rank, pid in enumerate(inside.ranks)}
        order = {pid: place for place, pid in enumerate(self._had)}
        kept = sorted(self._kept(), key=lambda thread: (thread.pid != self._caller, order[thread.pid], thread.number))
        return CallTimeline(
            label=label,
            seconds=round(seconds, _DIGITS),
            rows=tuple(self._row(thread, pids, helpers, ranks) for thread in kept),
            marks=tuple(self._mark(*mark) for mark in sorted(inside.marks, key=lambda mark: mark[3])[-MOST_MARKS:]),
            rows_left_out=len(self._threads) - len(kept),
            marks_left_out=max(0, len(inside.marks) - MOST_MARKS),
        )

    def _kept(self) -> list[_Thread]:
        """Processes before further threads, and those that wanted a core before those that slept."""
        ranked = sorted(
            self._threads.values(),
            key=lambda thread: (thread.number > 0, -thread.cpu_seconds - thread.waiting_seconds),
        )
        return ranked[:MOST_ROWS]

    def _row(self, thread: _Thread, pids: Mapping[int, int], helpers: Collection[int], ranks: Mapping[int, int]) -> Row:
        pid = pids.get(thread.pid, 0)
        caller = thread.pid == self._caller
        return Row(
            pid=pid,
            parent=pids.get(thread.parent, 1),
            role=Role.CALLER if caller else Role.HELPER if thread.pid in helpers else Role.WORKER,
            thread=thread.number,
            rank=ranks.get(pid),
            start=self._since_start(thread.start),
            end=self._since_start(thread.end),
            cpu_seconds=round(thread.cpu_seconds, _DIGITS),
            waiting_seconds=round(thread.waiting_seconds, _DIGITS),
            segments=tuple(self._segments(thread)),
        )

    def _segments(self, thread: _Thread) -> list[Segment]:
        spans: list[Segment] = []
        for index, (start, end) in enumerate(pairwise(self._moments)):
            start, end = max(start, thread.start), min(end, thread.end)
            if end <= start:
                continue
            ran, late = thread.ran.get(index, 0.0), thread.late.get(index, 0.0)
            parts = [(Doing.WAITING, late), (Doing.RUNNING, ran)]
            idle = (Doing.BLOCKED, end - start - ran - late)
            goes_on = bool(spans) and spans[-1].doing is not Doing.BLOCKED
            for doing, seconds in [*parts, idle] if goes_on else [idle, *parts]:
                if seconds > _NOTHING:
                    _append(spans, Segment(start, start + seconds, doing))
                    start += seconds
        if len(spans) > MOST_SEGMENTS:
            spans = _coarser(spans, thread.start, thread.end)
        since = self._since_start
        return [Segment(since(one.start), since(min(one.end, thread.end)), one.doing) for one in spans]

    def _mark(self, rank: int, name: str, size: int, start: float, end: float | None) -> Mark:
        begun = self._since_start(start)
        ended = self._since_start(self._moments[-1] if end is None else end)
        return Mark(rank=rank, name=name[:_LONGEST_NAME], bytes=size, start=begun, end=max(begun, ended))

    def _since_start(self, moment: float) -> float:
        """Seconds since the start of the call, within it; also of a moment that is not a number."""
        first, last = self._moments[0], self._moments[-1]
        return round(min(last - first, max(0.0, moment - first)), _DIGITS)


def _append(spans: list[Segment], span: Segment) -> None:
    if spans and spans[-1].doing is span.doing:
        span = Segment(spans.pop().start, span.end, span.doing)
    spans.append(span)


def _coarser(spans: list[Segment], start: float, end: float) -> list[Segment]:
    """The same in few equal slots, each with what took most of it."""
    found: list[Segment] = []
    width = (end - start) / MOST_SEGMENTS
    for slot, doing in enumerate(in_slots(spans, start, end, MOST_SEGMENTS)):
        if doing is not None:
            _append(found, Segment(start + slot * width, min(end, start + (slot + 1) * width), doing))
    return found
