"""Scaling: running time against the number of workers.

A fixed amount of computing is split evenly over 1, 2, 3 and more processes, and the time is taken from before the first is
started until the last is done. In each bar is the ideal: the time of one worker divided by their number (the 1/x line). What
was waiting for a core is told by Linux alone; other systems show it as part of the time.
"""

import os
import time
from dataclasses import dataclass
from typing import NamedTuple

import psutil
from rich.text import Text

from autograder.demos.children import compute_and_time, waited_for_core
from autograder.demos.crew import QUICKEST, Crew
from autograder.demos.demo import Demo, Size
from autograder.demos.drawing import WIDTH, Drawing, cells, heading, ms
from autograder.measure.machine import cores

COUNTS = (1, 2, 3, 4, 6, 8)
#: The best of so many is drawn, as far as time allows: what disturbs a run only ever makes it longer.
TRIES = 3
#: Seconds after which none is tried again.
BUDGET = 1.5

AFTER = """
Up to the number of cores the bars follow the ideal, less what starting the workers costs and what one worker must do alone
(Amdahl's law). Beyond it only the part that is no waiting does: workers that have no core wait for one. Physical cores count for
computing; the logical ones beyond them (SMT) share a core's units and add little. A container, or taskset, may allow fewer.

Make the work smaller (--size 20) and more workers make it slower: starting them takes longer than the work. How many are
worth it depends on the machine and on the work; it has to be measured.
"""


class Taken(NamedTuple):
    """The time of one run, in seconds."""

    #: From the start of the first worker to the end of the last.
    whole: float
    #: The same, less what was waiting for a core: the longest way of a worker from the first start to its end.
    on_free_cores: float


@dataclass(frozen=True)
class Curve:
    """Running times, and what one must know of the machine."""

    #: By number of workers, the smallest number first; the first is 1.
    taken: dict[int, Taken]
    #: None where the system does not tell.
    physical: int | None
    logical: int | None
    #: Those that this process may use.
    usable: int
    load: float


def measure(size: int) -> Curve:
    """Time `size` pieces of computing, split over each number of workers."""
    until = time.monotonic() + BUDGET
    taken = {count: _time(size, count) for count in COUNTS}
    for _ in range(TRIES - 1):
        if time.monotonic() < until:
            taken = {count: min(best, _time(size, count)) for count, best in taken.items()}
    return Curve(taken, psutil.cpu_count(logical=False), psutil.cpu_count(), cores(), os.getloadavg()[0])


def _time(pieces: int, count: int) -> Taken:
    shares = [pieces // count + (index < pieces % count) for index in range(count)]
    waited, started = waited_for_core(), time.monotonic()
    with Crew() as crew:
        # What this process has waited for a core by then comes before what each worker has.
        begun = [(waited_for_core() - waited, crew.start(QUICKEST, compute_and_time, share)) for share in shares]
        ends = [(before, *member.hear()) for before, member in begun]
    whole = max(end for _, end, _ in ends) - started
    return Taken(whole, max(end - before - own for before, end, own in ends) - started)


def draw(curve: Curve) -> Drawing:
    """A bar for each number of workers, the ideal in it, and a line where the cores end."""
    alone = curve.taken[1]
    longest = max(taken.whole for taken in curve.taken.values())
    lines = [heading(f"workers  {'█ time  ░ of it, waiting for a core  │ ideal 1/x':<{WIDTH + 3}}    time  speedup")]
    marks = {"physical cores": curve.physical, "logical cores": curve.logical, "cores that may be used": curve.usable}
    for count, taken in curve.taken.items():
        for number in sorted({number for number in marks.values() if number is not None and number < count}):
            names = [f"{number} {name}" for name, had in marks.items() if had == number]
            lines.append(Text(f"{'':>7}  {'─' * 6} {', '.join(names)}", style="yellow"))
            marks = {name: had for name, had in marks.items() if had != number}
        line = Text(f"{count:>7}  ")
        for sign in _bar(taken, alone.on_free_cores / count, longest):
            line.append(sign, style={"│": "bold", "░": "yellow"}.get(sign, "green"))
        lines.append(line.append(f"   {ms(taken.whole):>8}  {alone.whole / taken.whole:>6.1f}x"))
    rest = [f"{had} {name}" for name, had in marks.items() if had is not None]
    if rest:
        lines.append(heading(f"not reached: {', '.join(rest)}"))
    if curve.load > curve.usable:
        lines.append(heading(f"other programs used the cores, too: load average {curve.load:.1f}"))
    return Drawing.of(lines)


def _bar(taken: Taken, ideal: float, longest: float) -> str:
    whole, free = cells(taken.whole, longest), cells(taken.on_free_cores, longest)
    bar = [("█" if cell < free else "░") if cell < whole else " " for cell in range(WIDTH)]
    bar[cells(ideal, longest) - 1] = "│"
    return "".join(bar)


DEMO = Demo(
    name="scaling",
    exercise="overhead",
    text=__doc__,
    after=AFTER,
    size=Size("pieces of computing", default=1000, least=8, most=10_000),
    measure=measure,
    draw=draw,
)
