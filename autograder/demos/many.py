"""Many: thousands of threads against thousands of processes.

As many threads are started as processes are forked, all by a small fresh process, and all they do is wait. The threads are all
alive at once. The processes are forked in batches, each of which has ended before the next begins, so that no machine is
brought down; where they take too long, the rest is left out, and the line says how many were there.
"""

import time
from dataclasses import dataclass

from rich.text import Text

from autograder.demos.children import MIB, Batch, many_processes, many_threads
from autograder.demos.crew import Crew, Method
from autograder.demos.demo import Demo, Size
from autograder.demos.drawing import Drawing, cells, heading, ms

AT_ONCE = 200
#: Processes of a batch whose memory is looked at.
SAMPLE = 5
#: Seconds after which no further batch is begun.
BUDGET = 2.5
_BAR = 20

AFTER = """
A thread is a stack and an entry in the kernel's table; a process has tables of memory of its own, besides the pages that
it writes to, and is copied and taken down again. The processes here are bare forks of a small Python: each worker of a
multiprocessing pool costs several times as much, and a spawned one that imports torch costs seconds and hundreds of MiB.

So threads (or asyncio) wait for thousands of answers from a network, and processes compute: a few of them, about as many as
there are cores, which are kept and given much to do. Thousands of threads that compute would only take turns (demo gil).
"""


@dataclass(frozen=True)
class Crowd:
    """What was asked for, and what there was."""

    asked: int
    threads: Batch
    processes: tuple[Batch, ...]


def measure(size: int) -> Crowd:
    """Start `size` threads, and `size` processes or as many as time allows."""
    with Crew() as crew:
        threads = crew.start(Method.SPAWN, many_threads, size).hear()
    until = time.monotonic() + BUDGET
    batches: list[Batch] = []
    with Crew() as crew:
        forking = crew.start(Method.SPAWN, many_processes, size, AT_ONCE, SAMPLE)
        go_on = True
        while go_on:
            batches.append(forking.hear())
            go_on = time.monotonic() < until and batches[-1].number > 0 and sum(b.number for b in batches) < size
            forking.tell(go_on)
    return Crowd(size, threads, tuple(batches))


def draw(crowd: Crowd) -> Drawing:
    """Time to start and memory, of each kind, for one and for all."""
    count = sum(batch.number for batch in crowd.processes)
    seconds = sum(batch.start_seconds for batch in crowd.processes)
    ending = sum(batch.end_seconds for batch in crowd.processes)
    known = [batch.each_bytes for batch in crowd.processes if batch.each_bytes is not None]
    each = sum(known) / len(known) if known else None
    rows = (
        ("threads", "green", crowd.threads.number, crowd.threads.start_seconds, crowd.threads.end_seconds,
         crowd.threads.each_bytes),
        ("processes", "cyan", count, seconds, ending, each),
    )  # fmt: skip
    largest_time = max(row[3] / max(1, row[2]) for row in rows)
    largest_memory = max(row[5] or 0.0 for row in rows)
    lines = [heading(f"{'':<{10 + _BAR}}{'one to start':>13}{'one to end':>13}{'all':>12}")]
    for name, style, number, start, end, _ in rows:
        one = start / max(1, number)
        line = Text(f"{name:<10}").append(f"{'█' * cells(one, largest_time, _BAR):<{_BAR}}", style=style)
        figures = f"{1e6 * one:>10,.0f} µs{1e6 * end / max(1, number):>10,.0f} µs{ms(start + end):>12} for {number:,}"
        lines.append(line.append(figures))
    lines.append(heading(f"{'':<{10 + _BAR}}{'its memory':>13}{'':>13}{'all':>12}"))
    for name, style, number, _, _, size in rows:
        line = Text(f"{name:<10}").append(f"{'█' * cells(size or 0.0, largest_memory, _BAR):<{_BAR}}", style=style)
        told = "cannot be seen here" if size is None else f"{size / 1024:,.0f} KiB"
        total = "" if size is None else f"{'':>13}{f'{number * size / MIB:,.0f} MiB':>12} for {number:,}"
        lines.append(line.append(f"{told:>13}{total}"))
    lines += map(heading, _remarks(crowd, count, seconds + ending))
    return Drawing.of(lines)


def _remarks(crowd: Crowd, count: int, seconds: float) -> list[str]:
    """What was measured, and what not."""
    most = max(batch.number for batch in crowd.processes)
    found = [
        f"measured: {crowd.threads.number:,} threads, all alive at once; {count:,} processes, {most:,} alive at once"
    ]
    if crowd.threads.number < crowd.asked:
        found.append(f"the system gave no more than {crowd.threads.number:,} of {crowd.asked:,} threads")
    if 0 < count < crowd.asked:
        found.append(
            f"stopped before {crowd.asked:,} processes; at this pace they take {ms(seconds / count * crowd.asked)}"
        )
    return found


DEMO = Demo(
    name="many",
    exercise="threads",
    text=__doc__,
    after=AFTER,
    size=Size("threads, and of processes", default=5000, least=1, most=20_000),
    measure=measure,
    draw=draw,
)
