"""How a program's time falls with its workers: work, span, and what more workers would give.

The work is the time that one worker needs, the span what any number of them needs, since one thing has to wait for
another: to start the workers, to hand out work, to collect it. Brent's bound (Brent 1974, "The parallel evaluation of general
arithmetic expressions", J. ACM 21) says that ``p`` workers need at most work / p + span; Cilkview (He, Leiserson and
Leiserson 2010, "The Cilkview scalability analyzer", SPAA) predicts speedups from the two. Here both are found from times.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

#: Numbers of workers with which a program is tried.
WORKERS = (1, 2, 4, 8, 16)


@dataclass(frozen=True, slots=True)
class Scaling:
    """Work and span, in seconds."""

    work: float
    span: float

    def seconds(self, workers: int) -> float:
        """The time that so many workers need."""
        return self.work / workers + self.span

    def speedup(self, workers: int) -> float:
        """How many times as fast as one worker so many are."""
        return self.seconds(1) / self.seconds(workers)

    @property
    def most(self) -> float:
        """The speedup that no number of workers exceeds."""
        return self.seconds(1) / self.span if self.span > 0 else math.inf


def fit(seconds: Mapping[int, float]) -> Scaling:
    """Work and span from the time with each number of workers, by least squares of the relative errors.

    Args:
        seconds: Number of workers to time in seconds, above zero; at least two numbers.
    """
    # Each time t is taken as work * x + span * y + error, all divided by t: two unknowns, both not negative.
    rows = [(1 / (workers * time), 1 / time) for workers, time in seconds.items()]
    xx, xy, yy = (math.fsum(row[i] * row[j] for row in rows) for i, j in ((0, 0), (0, 1), (1, 1)))
    x, y = (math.fsum(row[i] for row in rows) for i in (0, 1))
    determinant = xx * yy - xy * xy
    work, span = (x * yy - y * xy) / determinant, (y * xx - x * xy) / determinant
    if span < 0:
        return Scaling(x / xx, 0.0)
    return Scaling(0.0, y / yy) if work < 0 else Scaling(work, span)
