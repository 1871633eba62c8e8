"""Equal random numbers: what forked workers draw.

A forked worker is a copy of its parent, also of its random generators: at the moment of the fork all of them stand at the same
place. Here forked workers draw from four sources, and each row shows what they got.
"""

from dataclasses import dataclass

from rich.text import Text

from autograder.demos.children import draw_numbers
from autograder.demos.crew import Crew, Method
from autograder.demos.demo import Demo, Size
from autograder.demos.drawing import Drawing, heading

DRAWS = 2
SOURCES = (
    "random.random()",
    "np.random.random()",
    "parent's Generator",
    "stream per worker",
)
#: Workers that are drawn.
_SHOWN = 3

AFTER = """
numpy's global generator, and every Generator that the parent has made (as the rng of a data set), is copied by the fork: all
workers augment their images in the same way, and no error says so. Python's own random module is the exception: it is
seeded anew in each forked child, so it differs, but differs in every run, too.

The mend is a stream for each worker, dealt out by the parent: np.random.SeedSequence(seed).spawn(n). The streams are independent,
the same in every run, and the same under spawn and fork.
"""


@dataclass(frozen=True)
class Draws:
    """What was drawn: of each source, by each worker, one after the other."""

    by_source: tuple[tuple[tuple[float, ...], ...], ...]
    #: The same once more, with fresh workers and the same seed.
    again: tuple[tuple[tuple[float, ...], ...], ...]


def measure(size: int) -> Draws:
    """`size` forked workers draw, twice."""
    return Draws(_drawn(size), _drawn(size))


def _drawn(workers: int) -> tuple[tuple[tuple[float, ...], ...], ...]:
    import numpy as np

    generator = np.random.default_rng(7)
    streams = np.random.SeedSequence(7).spawn(workers)
    with Crew() as crew:
        members = [crew.start(Method.FORK, draw_numbers, DRAWS, generator, stream) for stream in streams]
        rows = [member.hear() for member in members]
    return tuple(tuple(tuple(row[source]) for row in rows) for source in range(len(SOURCES)))


def draw(seen: Draws) -> Drawing:
    """A row for each source: the numbers of each worker, whether they are equal, and whether they come again."""
    count = len(seen.by_source[0])
    shown = min(count, _SHOWN)
    names = "".join(f"{f'worker {worker}':<13}" for worker in range(shown))
    lines = [heading(f"{'':<19}{names}{'among workers':<14}again")]
    for name, rows, again in zip(SOURCES, seen.by_source, seen.again, strict=True):
        different = len(set(rows))
        line = Text(f"{name:<19}")
        for row in rows[:shown]:
            numbers = " ".join(f"{number:.3f}" for number in row)
            line.append(f"{numbers:<13}", style="red" if different < count else "green")
        verdict = "all different" if different == count else "ALL EQUAL" if different == 1 else f"{different} different"
        line.append(f"{verdict:<14}", style="red" if different < count else "green")
        lines.append(line.append("the same" if rows == again else "others", style="dim"))
    if count > shown:
        lines.append(heading(f"not shown: {count - shown} more workers"))
    return Drawing.of(lines)


DEMO = Demo(
    name="fork-random",
    exercise="seeding",
    text=__doc__,
    after=AFTER,
    size=Size("workers", default=3, least=2, most=32),
    measure=measure,
    draw=draw,
)
