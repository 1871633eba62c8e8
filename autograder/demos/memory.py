"""Memory: what threads and processes share.

A fresh process holds a block of memory. It starts threads, then a forked child, which writes to half of the block, then a
spawned child. Each says three figures: RSS is all memory that it sees, USS is what it has for itself alone, and PSS divides
what is shared by those who share it, so that the PSS of all processes add up to what is really used.
"""

from dataclasses import dataclass

from rich.text import Text

from autograder.demos.children import MIB, Memory, memory_stage
from autograder.demos.crew import Crew, Method
from autograder.demos.demo import Demo, Size
from autograder.demos.drawing import WIDTH, Drawing, cells, heading

THREADS = 16

AFTER = """
Threads live in one process and cost it next to nothing: they see the same block. A forked child sees the block, too, without
a copy: its RSS is large and its USS small. Pages are copied when one of the two writes to them (copy on write), so its USS
grows by what it has written. A spawned child begins with nothing but Python, and what it is to know must be sent to it.

Do not add up RSS: with 8 forked workers of a DataLoader it counts the same data set 8 times. And in CPython even reading
writes: it changes the reference counts of objects, and the pages of a large list of objects are copied bit by bit.
"""


@dataclass(frozen=True)
class Line:
    """A process at a moment."""

    what: str
    memory: Memory


def measure(size: int) -> list[Line]:
    """What a process and its children have, with a block of `size` MiB."""
    with Crew() as crew:
        stage = crew.start(Method.SPAWN, memory_stage, size, THREADS)
        told = [stage.hear() for _ in range(7)]
    (bare,), (block,), (threads,), (forked, _), (written, parent), (spawned, _), _ = told
    return [
        Line("fresh process", bare),
        Line(f"with {size} MiB", block),
        Line(f"and {THREADS} threads", threads),
        Line("forked child", forked),
        Line("it writes to half", written),
        Line("its parent then", parent),
        Line("spawned child", spawned),
    ]


def draw(lines: list[Line]) -> Drawing:
    """A bar for each: what is its own, and what it shares."""
    largest = max(line.memory.rss for line in lines)
    told = all(line.memory.pss is not None for line in lines)
    drawn = [heading(f"{'MiB':<18}{'RSS':>7}{'PSS':>7}{'USS':>7}  █ its own (USS)  ░ shared")]
    for line in lines:
        rss, pss, uss = line.memory
        figures = "".join(f"{'-' if value is None else f'{value / MIB:.1f}':>7}" for value in (rss, pss, uss))
        text = Text(f"{line.what:<18}{figures}  ")
        own = cells(uss, largest, WIDTH - 8)
        text.append("█" * own, style="green")
        drawn.append(text.append("░" * max(0, cells(rss, largest, WIDTH - 8) - own), style="yellow"))
    if not told:
        drawn.append(heading("PSS is told by Linux only."))
    return Drawing.of(drawn)


DEMO = Demo(
    name="memory",
    exercise="processes",
    text=__doc__,
    after=AFTER,
    size=Size("MiB in the block", default=64, least=1, most=1024),
    measure=measure,
    draw=draw,
)
