"""The timelines of a report as a trace: JSON in Chrome's Trace Event Format, which Perfetto and chrome://tracing open.

The format is Google's "Trace Event Format". Used of it: the object form; metadata events (``"ph": "M"``) that name and
order processes and threads; complete events (``"ph": "X"``) with start ``ts`` and duration ``dur`` in microseconds. Calls
follow one another on one axis. The events of a track must not overlap halfway, so collectives that do lie in several.

A trace has pids of its own, since two calls may have processes of the same pid; the real ones are in the names.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import msgspec

from autograder.records import Report, Timeline
from autograder.records.timeline import CallTimeline, Doing, Mark, Role, Row
from autograder.report.json_report import writable
from autograder.report.timeline import process_names

#: Between two calls, in microseconds.
GAP = 1000
#: Colours from the viewer's own list of reserved names; Perfetto chooses its own.
_COLOURS = {
    Doing.RUNNING: "thread_state_running",
    Doing.WAITING: "thread_state_runnable",
    Doing.BLOCKED: "thread_state_sleeping",
}

Event = dict[str, Any]


def encode(report: Report) -> bytes:
    """The trace of all timelines in ``report``."""
    document = {"traceEvents": list(_Trace().events(report)), "displayTimeUnit": "ms"}
    return msgspec.json.encode(writable(document)) + b"\n"


@dataclass
class _Trace:
    """The trace while it is made: the time that it has reached, in microseconds, and the next free pid and tid."""

    at: int = 0
    _ids: Iterator[int] = field(default_factory=lambda: count(1))

    def events(self, report: Report) -> Iterator[Event]:
        for result in report.results:
            checks = [(check, check.timeline) for check in result.checks if isinstance(check.timeline, Timeline)]
            if not checks:
                continue
            overview = next(self._ids)
            yield from self._process(overview, " ".join(filter(None, [result.student, result.exercise])) + ": calls")
            yield _named("thread", overview, overview, "calls")
            for check, timeline in checks:
                for call in timeline.calls:
                    args = {"check": check.name, "title": check.title, "outcome": str(check.outcome)}
                    yield self._slice(overview, overview, call.label, "call", 0.0, call.seconds, args=args)
                    yield from self._call(call)
                    self.at += _us(call.seconds) + GAP

    def _call(self, call: CallTimeline) -> Iterator[Event]:
        pids: dict[int, int] = {}
        by_rank: dict[int, int] = {}
        for row, name in zip(call.rows, process_names(call.rows), strict=True):
            if row.pid not in pids:
                pids[row.pid] = next(self._ids)
                yield from self._process(pids[row.pid], f"{name} (pid {row.pid}): {call.label}")
            if row.rank is not None:
                by_rank[row.rank] = pids[row.pid]
            yield from self._row(row, pids[row.pid])
        for rank in sorted({mark.rank for mark in call.marks}):
            if rank not in by_rank:
                by_rank[rank] = next(self._ids)
                yield from self._process(by_rank[rank], f"rank {rank}: {call.label}")
            yield from self._collectives([mark for mark in call.marks if mark.rank == rank], by_rank[rank])

    def _row(self, row: Row, pid: int) -> Iterator[Event]:
        tid = next(self._ids)
        yield _named("thread", pid, tid, f"thread {row.thread}" if row.thread else "first thread")
        args = {"cpu_ms": round(row.cpu_seconds * 1e3, 3), "ready_ms": round(row.waiting_seconds * 1e3, 3)}
        whole = f"{row.role}" if row.role is not Role.WORKER else "alive"
        yield self._slice(pid, tid, whole, "life", row.start, row.end, args=args)
        for segment in row.segments:
            yield self._slice(
                pid, tid, str(segment.doing), "state", segment.start, segment.end, cname=_COLOURS[segment.doing]
            )

    def _collectives(self, marks: Iterable[Mark], pid: int) -> Iterator[Event]:
        tracks: list[tuple[int, float]] = []
        for mark in sorted(marks, key=lambda mark: (mark.start, mark.end)):
            free = next((place for place, (_, end) in enumerate(tracks) if end <= mark.start), len(tracks))
            if free == len(tracks):
                tracks.append((next(self._ids), 0.0))
                yield _named("thread", pid, tracks[free][0], "collectives, as reported from inside")
            tid = tracks[free][0]
            tracks[free] = tid, mark.end
            yield self._slice(pid, tid, mark.name, "collective", mark.start, mark.end, args={"bytes": mark.bytes})

    def _process(self, pid: int, name: str) -> Iterator[Event]:
        yield _named("process", pid, 0, name)
        yield {"ph": "M", "name": "process_sort_index", "pid": pid, "tid": 0, "args": {"sort_index": pid}}

    def _slice(self, pid: int, tid: int, name: str, category: str, start: float, end: float, **more: object) -> Event:
        ts, dur = self.at + _us(start), _us(end) - _us(start)
        return {"ph": "X", "name": name, "cat": category, "pid": pid, "tid": tid, "ts": ts, "dur": dur, **more}


def _us(seconds: float) -> int:
    """Whole microseconds: what lies within another event must do so exactly."""
    return round(seconds * 1e6)


def _named(what: str, pid: int, tid: int, name: str) -> Event:
    return {"ph": "M", "name": f"{what}_name", "pid": pid, "tid": tid, "args": {"name": name}}
