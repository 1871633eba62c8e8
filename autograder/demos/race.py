"""The race: where an update gets lost.

Two threads add to one counter. One line of Python is several instructions, and between any two of them the other thread may
come in. First the instructions of that line, then one order of them in which an update is lost.

The order is not left to luck: a trace function hands the turn to the other thread after each instruction.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.text import Text

from autograder.demos.demo import Demo, Size
from autograder.demos.drawing import Drawing, heading
from autograder.demos.lockstep import Lockstep, Step, instructions

#: Additions of each thread that is left to itself.
FREE = 30_000
_COLUMN = 24

AFTER = """
Each thread reads the counter, adds to what it has read, and writes: whoever writes last overwrites what the other has added. The
line is right, and what comes between its instructions is not. With a lock the other thread cannot come in between them, whatever
the order: nothing is lost.

Left to itself the first line often loses nothing, since CPython changes threads only at some instructions; a call between
reading and writing is such a place. A program that works by luck loses it with the next version of Python or one
harmless line more: that is why the grader tries orders in place of runs.
"""


class Counter:
    """What both threads share."""

    def __init__(self) -> None:
        self.value = 0


def add(counter: Counter, times: int) -> None:
    """The line that the demonstration is about."""
    for _ in range(times):
        counter.value += 1


def add_in_two_lines(counter: Counter, times: int) -> None:
    """The same, with a call between reading and writing."""
    for _ in range(times):
        new = one_more(counter.value)
        counter.value = new


def one_more(value: int) -> int:
    """A call."""
    return value + 1


#: The line of `add` that is looked at.
_LINE = add.__code__.co_firstlineno + 3


@dataclass(frozen=True)
class Tally:
    """How many updates there were, and how many are in the counter."""

    made: int
    kept: int

    @property
    def lost(self) -> int:
        """Updates that are not in the counter."""
        return self.made - self.kept


@dataclass(frozen=True)
class Race:
    """What was seen."""

    #: Offset, name and argument of each instruction of the line.
    code: tuple[tuple[int, str, str], ...]
    #: The first addition of both threads, led in turns, and the counter after it.
    steps: tuple[Step, ...]
    after: int
    led: Tally
    locked: Tally
    free: Tally
    free_with_call: Tally


def measure(size: int) -> Race:
    """Two threads that add `size` times each: led in turns, led with a lock; and two that are left to themselves."""
    lines = instructions(add.__code__, _LINE)
    counter = Counter()
    led = Lockstep(add.__code__, _LINE, lambda: counter.value)
    led.run(lambda: add(counter, size))
    locked = Counter()
    careful = Lockstep(add.__code__, _LINE, lambda: locked.value)

    def add_with_lock() -> None:
        for _ in range(size):
            with careful.lock():
                add(locked, 1)

    careful.run(add_with_lock)
    first = led.steps[: 2 * len(lines)]
    return Race(
        code=tuple((line.offset, line.opname, line.argrepr) for line in lines),
        steps=tuple(first),
        after=led.steps[len(first)].before if len(led.steps) > len(first) else counter.value,
        led=Tally(2 * size, counter.value),
        locked=Tally(2 * size, locked.value),
        free=_free(add),
        free_with_call=_free(add_in_two_lines),
    )


def _free(function: Callable[[Counter, int], None]) -> Tally:
    """Two threads that are left to themselves, and change often."""
    counter = Counter()
    threads = [threading.Thread(target=function, args=(counter, FREE)) for _ in range(2)]
    with _switching_every(1e-6):
        try:
            for thread in threads:
                thread.start()
        finally:
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
    return Tally(2 * FREE, counter.value)


@contextmanager
def _switching_every(seconds: float) -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(seconds)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def draw(seen: Race) -> Drawing:
    """The bytecode, the interleaving as a table with a column for each thread, and what was lost."""
    lines: list[Text] = [heading("counter.value += 1   is, for Python:")]
    names = {}
    for offset, name, argument in seen.code:
        names[offset] = f"{name} {argument}".strip()
        lines.append(Text(f"  {offset:>4}  {names[offset]}", style=_style(name)))
    lines += [Text(), heading(f"  {'thread 1':<{_COLUMN}}  {'thread 2':<{_COLUMN}}  counter.value")]
    values = [*(step.before for step in seen.steps), seen.after]
    for step, before, value in zip(seen.steps, values, values[1:], strict=False):
        cell = names.get(step.offset, "?")[:_COLUMN]
        line = Text("  ")
        for thread in (0, 1):
            line.append(f"{cell if step.thread == thread else '':<{_COLUMN}}  ", style=_style(cell))
        lines.append(line.append(f"{value}" if value != before or "STORE" in cell else "", style="bold"))
    lines.append(Text(f"  both threads have added 1, and the counter is {seen.after}", style="bold"))
    lines.append(Text())
    for what, tally in (
        ("led in turns, instruction by instruction", seen.led),
        ("led in turns, with a lock", seen.locked),
        ("left to itself: counter.value += 1", seen.free),
        ("left to itself: a call before writing", seen.free_with_call),
    ):
        style = "red" if tally.lost else "green"
        lines.append(Text(f"  {what:<42}").append(f"{tally.lost:>7,} of {tally.made:,} updates lost", style=style))
    return Drawing.of(lines)


def _style(name: str) -> str:
    return "red" if name.startswith("STORE") else "yellow" if name.startswith("LOAD_ATTR") else ""


DEMO = Demo(
    name="race",
    exercise="race",
    text=__doc__,
    after=AFTER,
    size=Size("additions of each of the two threads", default=200, least=1, most=5000),
    measure=measure,
    draw=draw,
)
