"""The GIL: the same work with 1, 2 and 4 threads, and with processes.

Two kinds of work are split among workers: waiting, as for answers from a network, and computing in pure Python. It is the same
work each time, and the time with starting the workers is measured. Below the bars is drawn who ran when.

In CPython a thread must hold the global interpreter lock (GIL) to run Python, and lets go of it where it waits.
"""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

from rich.text import Text

from autograder.demos.children import Piece, compute, compute_share, wait, wait_share
from autograder.demos.crew import QUICKEST, Crew
from autograder.demos.demo import Demo, Size
from autograder.demos.drawing import Drawing, cells, heading, ms
from autograder.measure.machine import cores
from autograder.records.timeline import CallTimeline, Doing, Role, Row, Segment
from autograder.report.timeline import call_lines

WAITS, WAIT_SECONDS = 8, 0.04
COUNTS = (1, 2, 4)
#: A piece of computing that took so much longer than its CPU time was interrupted, in seconds.
INTERRUPTED = 0.001
_CHART = 80
_BAR = 36

AFTER = """
Waiting threads hold no GIL: four of them wait at the same time, and that is all it takes for IO (exercise threads). Computing threads
take turns: one holds the GIL, the others ask for it, and after 5 ms (sys.getswitchinterval()) it is handed on. Two threads do
not compute any sooner than one. Each process has an interpreter and a GIL of its own: processes compute at the same time,
as far as there are cores.

numpy and torch let go of the GIL inside their large operations, which is why threads help there. Python 3.13 and newer can be
built without a GIL: the bars above are of the Python that you run.
"""


class Work(StrEnum):
    """What is split among the workers."""

    WAITING = "waiting"
    COMPUTING = "computing"


class Workers(StrEnum):
    """Who does it."""

    THREADS = "threads"
    PROCESSES = "processes"


@dataclass(frozen=True)
class Run:
    """The whole work, done once."""

    work: Work
    workers: Workers
    #: When it began, on the clock of the pieces, and how long it took.
    start: float
    seconds: float
    #: Of each worker.
    pids: tuple[int, ...]
    pieces: tuple[tuple[Piece, ...], ...]

    @property
    def count(self) -> int:
        """Number of workers."""
        return len(self.pieces)


@dataclass(frozen=True)
class Runs:
    """All of them, and what one must know of the machine."""

    runs: tuple[Run, ...]
    python: str
    gil: bool
    cores: int
    load: float


def measure(size: int) -> Runs:
    """Both kinds of work with every number of workers; `size` pieces of computing."""
    threaded: dict[Work, Callable[[int], list[Piece]]] = {
        Work.WAITING: lambda share: wait(share, WAIT_SECONDS),
        Work.COMPUTING: compute,
    }
    totals = {Work.WAITING: WAITS, Work.COMPUTING: size}
    runs = []
    for work, total in totals.items():
        runs += [_with_threads(work, threaded[work], total // count, count) for count in COUNTS]
        runs += [_with_processes(work, total // count, count) for count in COUNTS[1:]]
    has_gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    return Runs(tuple(runs), sys.version.split()[0], has_gil, cores(), os.getloadavg()[0])


def _with_threads(work: Work, function: Callable[[int], list[Piece]], share: int, count: int) -> Run:
    start = time.monotonic()
    with ThreadPoolExecutor(count) as pool:
        done = list(pool.map(function, [share] * count))
    return Run(work, Workers.THREADS, start, time.monotonic() - start, (os.getpid(),) * count, _frozen(done))


def _with_processes(work: Work, share: int, count: int) -> Run:
    start = time.monotonic()
    with Crew() as crew:
        if work is Work.COMPUTING:
            members = [crew.start(QUICKEST, compute_share, share) for _ in range(count)]
        else:
            members = [crew.start(QUICKEST, wait_share, share, WAIT_SECONDS) for _ in range(count)]
        done = [member.hear() for member in members]
        seconds = time.monotonic() - start
        pids = tuple(member.process.pid or 0 for member in members)
    return Run(work, Workers.PROCESSES, start, seconds, pids, _frozen(done))


def _frozen(done: Iterable[Sequence[Piece]]) -> tuple[tuple[Piece, ...], ...]:
    return tuple(map(tuple, done))


def draw(seen: Runs) -> Drawing:
    """Bars of time for each kind of work; then who ran when with two workers that compute."""
    lines: list[Text] = []
    for work in Work:
        some = [run for run in seen.runs if run.work is work]
        lines.append(heading(f"{work:<{15 + _BAR}}     time  speedup"))
        longest = max(run.seconds for run in some)
        for run in some:
            name = f"{run.count} {run.workers if run.count > 1 else run.workers.removesuffix('s')}"
            style = "green" if run.workers is Workers.THREADS else "cyan"
            bar = "█" * cells(run.seconds, longest, _BAR)
            faster = some[0].seconds / run.seconds
            figures = f" {ms(run.seconds):>8}  {faster:>6.1f}x"
            lines.append(Text(f"  {name:<12} ").append(f"{bar:<{_BAR}}", style=style).append(figures))
    for run in seen.runs:
        if run.work is Work.COMPUTING and run.count == 2:
            lines += call_lines(timeline(run), _CHART)
    lines.append(heading("█ running  · waits for the GIL, or for a core  ░ waits for a core"))
    gil = "with a GIL" if seen.gil else "without a GIL"
    lines.append(heading(f"Python {seen.python} {gil}, {seen.cores} cores, load average {seen.load:.1f}"))
    if seen.load > seen.cores:
        lines.append(heading("Other programs used the cores, too: on a quiet machine the picture is clearer."))
    return Drawing.of(lines)


def timeline(run: Run) -> CallTimeline:
    """Who ran when, without the time in which none of them ran: that has to do with other programs alone.

    What a lone thread of a process waits for is a core; threads of one process wait for the GIL.
    """
    threads = run.workers is Workers.THREADS
    resting = Doing.BLOCKED if threads else Doing.WAITING
    by_worker = without_gaps([list(segments_of(pieces, run.start, resting)) for pieces in run.pieces])
    end = max((segment.end for segments in by_worker for segment in segments), default=0.0)
    rows = []
    if threads:
        rows.append(_row(run.pids[0], 0, [Segment(0.0, end, Doing.BLOCKED)], Role.CALLER))
    for index, (pid, segments) in enumerate(zip(run.pids, by_worker, strict=True)):
        rows.append(_row(pid, index + 1 if threads else 0, segments, Role.CALLER if threads else Role.WORKER))
    label = f"{run.work}: {run.count} {run.workers} (time in which none of them ran is left out)"
    return CallTimeline(label=label, seconds=end, rows=tuple(rows))


def without_gaps(by_worker: list[list[Segment]]) -> list[list[Segment]]:
    """The same stretches on a clock that stands still while nobody runs."""
    running = sorted((s.start, s.end) for segments in by_worker for s in segments if s.doing is Doing.RUNNING)
    spans: list[tuple[float, float]] = []
    for start, end in running:
        if spans and start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        else:
            spans.append((start, end))

    def shown(moment: float) -> float:
        return sum(min(end, moment) - start for start, end in spans if start < moment)

    moved = [[Segment(shown(s.start), shown(s.end), s.doing) for s in segments] for segments in by_worker]
    return [[segment for segment in segments if segment.end > segment.start] for segments in moved]


def segments_of(pieces: Iterable[Piece], origin: float, resting: Doing) -> Iterator[Segment]:
    """Stretches of running and resting, in seconds since `origin`, the shortest of which are left out."""
    current: Segment | None = None
    for piece in pieces:
        ran_until = piece.start + piece.cpu if piece.end - piece.start - piece.cpu > INTERRUPTED else piece.end
        for start, end, doing in ((piece.start, ran_until, Doing.RUNNING), (ran_until, piece.end, resting)):
            if end <= start:
                continue
            if current is not None and current.doing is doing:
                current = Segment(current.start, end - origin, doing)
                continue
            if current is not None:
                yield current
            current = Segment(start - origin, end - origin, doing)
    if current is not None:
        yield current


def _row(pid: int, thread: int, segments: Sequence[Segment], role: Role) -> Row:
    spent = {doing: sum(part.end - part.start for part in segments if part.doing is doing) for doing in Doing}
    start, end = (segments[0].start, segments[-1].end) if segments else (0.0, 0.0)
    return Row(
        pid=pid, parent=0, role=role, thread=thread, start=start, end=end,
        cpu_seconds=spent[Doing.RUNNING], waiting_seconds=spent[Doing.WAITING], segments=tuple(segments),
    )  # fmt: skip


DEMO = Demo(
    name="gil",
    exercise="cpu_bound",
    text=__doc__,
    after=AFTER,
    size=Size("pieces of computing", default=1000, least=4, most=10_000),
    measure=measure,
    draw=draw,
)
