"""What ran when: the timeline of a check's calls, an optional part of its verdict.

Rows are seen from outside, through procfs: no submission can lie about them. Marks, and which process is which rank,
are reported from inside, where student code runs, and are worth as much: they are drawn, and judge nobody.

All times are in seconds since the start of the call. How much is kept is bounded, and what was left out is counted.
"""

from collections.abc import Sequence
from enum import StrEnum

import msgspec


class Doing(StrEnum):
    """What a thread does at a moment."""

    RUNNING = "running"
    #: Ready to run, while others have the cores.
    WAITING = "waiting for a core"
    #: Waits for anything else: a lock (the GIL, too), a pipe, another process, a clock.
    BLOCKED = "blocked"


class Role(StrEnum):
    """What a process is to the call."""

    #: Runs the function that was called.
    CALLER = "caller"
    WORKER = "worker"
    #: One of Python's own: the resource tracker or the fork server.
    HELPER = "helper"


class Segment(msgspec.Struct, frozen=True, array_like=True):
    """A stretch of time in which a thread did one thing: ``[start, end, doing]`` in JSON."""

    start: float
    end: float
    doing: Doing


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One thread of a process. Pids are those that the process itself sees."""

    pid: int
    parent: int
    role: Role
    #: 0 is the process's first thread; the others are numbered as they were seen.
    thread: int
    #: As reported from inside.
    rank: int | None = None
    start: float
    end: float
    cpu_seconds: float
    #: Ready to run, while others had the cores.
    waiting_seconds: float
    segments: tuple[Segment, ...]


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A collective that a rank took part in, as reported from inside."""

    rank: int
    name: str
    #: What it handed to the other ranks.
    bytes: int
    start: float
    end: float


class CallTimeline(msgspec.Struct, frozen=True, kw_only=True):
    """One call: what its processes did, and what they told of themselves."""

    label: str
    seconds: float
    rows: tuple[Row, ...]
    marks: tuple[Mark, ...] = ()
    rows_left_out: int = 0
    marks_left_out: int = 0


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """The last calls of a check, in order."""

    calls: tuple[CallTimeline, ...]
    #: Earlier calls.
    calls_left_out: int = 0


def in_slots(segments: Sequence[Segment], start: float, end: float, count: int) -> list[Doing | None]:
    """What took most of each of ``count`` equal slots of the time from ``start`` to ``end``; None where nothing was."""
    width = (end - start) / count
    shares: list[dict[Doing, float]] = [{} for _ in range(count)]
    for segment in segments:
        first = max(0, int((segment.start - start) / width))
        last = min(count - 1, int((segment.end - start) / width))
        for slot in range(first, last + 1):
            share = min(segment.end, start + (slot + 1) * width) - max(segment.start, start + slot * width)
            if share > 0:
                shares[slot][segment.doing] = shares[slot].get(segment.doing, 0.0) + share
    return [max(share, key=lambda doing: share[doing]) if share else None for share in shares]
