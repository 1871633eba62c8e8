"""A sequential test on paired ratios: go on while the answer is not clear, stop as soon as it is, give up at a cap.

Each pair gives the logarithm of (yardstick's time / student's time). At each of a few looks the mean has an interval of
the moderated t statistic (Smyth 2004, "Linear models and empirical Bayes methods", Stat. Appl. Genet. Mol. Biol. 3(1)):
the sample variance is drawn towards the noise that paired times are known to have, so that three pairs that agree by
chance are not taken for certainty. The looks share the allowance for error evenly (Bonferroni over the looks of a group
sequential test, as in Pocock 1977, Biometrika 64), so that looking often does not add up to more than ``ALPHA`` each way.

Credit is a ramp and no cliff: from the threshold up all points, at ``FLOOR`` of it and below none, between them in
proportion. So at the cap an estimate that lies near the threshold still has a credit that is no matter of luck, and only
where the interval spans the whole ramp is there no verdict.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from statistics import NormalDist

#: Chance of a wrong verdict, each way.
ALPHA = 1e-3
#: Numbers of pairs after which a look is taken.
LOOKS = (3, 5, 8, 12, 17, 24)
FEWEST_PAIRS, MOST_PAIRS = LOOKS[0], LOOKS[-1]
#: Noise of the logarithm of one paired ratio, and how many pairs this knowledge is worth.
PRIOR_DEVIATION = 0.05
PRIOR_DEGREES = 12.0
#: Share of the threshold at which, and below which, an efficiency earns nothing.
FLOOR = 0.9


class Decision(Enum):
    """What the pairs so far say of the efficiency."""

    #: It reaches the threshold: all points.
    ABOVE = auto()
    #: It is below the ramp: no points.
    BELOW = auto()
    #: It lies on the ramp, or near it: the estimate's credit.
    RAMP = auto()
    #: They do not say yet; after the last pair, they cannot.
    OPEN = auto()


@dataclass(frozen=True, slots=True)
class Estimate:
    """Efficiency (a ratio of times), with the interval that the last look gave."""

    efficiency: float
    low: float
    high: float
    pairs: int
    decision: Decision
    #: Share of the points that is earned, 0 to 1.
    credit: float


def ramp(efficiency: float, threshold: float) -> float:
    """Share of the points that ``efficiency`` earns: 1 from ``threshold`` up, 0 up to ``FLOOR`` of it."""
    floor = FLOOR * threshold
    return min(1.0, max(0.0, (efficiency - floor) / (threshold - floor)))


def judge(ratios: Sequence[float], threshold: float, others: Sequence[float] = ()) -> Estimate:
    """What ``ratios`` (yardstick's time / student's time, a pair each) say against ``threshold``.

    Where the clock has two readings, ``others`` are the ratios of the same pairs by the second one. Then both must say
    the same: the interval holds what either says.
    """
    count = len(ratios)
    logs = [[math.log(ratio) for ratio in reading] for reading in (ratios, others) if reading]
    intervals = [_interval(reading) for reading in logs]
    low = math.exp(min(mean - half for mean, half in intervals))
    high = math.exp(max(mean + half for mean, half in intervals))
    efficiency = math.exp(math.fsum(mean for mean, _ in intervals) / len(intervals))
    decision = _decide(count, low, high, threshold)
    credit = {Decision.ABOVE: 1.0, Decision.RAMP: ramp(efficiency, threshold)}.get(decision, 0.0)
    return Estimate(efficiency, low, high, count, decision, credit)


def _interval(logs: Sequence[float]) -> tuple[float, float]:
    """Mean, and half the length of its interval."""
    count = len(logs)
    mean = math.fsum(logs) / count
    squares = math.fsum((value - mean) ** 2 for value in logs)
    degrees = count - 1 + PRIOR_DEGREES
    deviation = math.sqrt((squares + PRIOR_DEGREES * PRIOR_DEVIATION**2) / degrees)
    return mean, _t_quantile(1 - ALPHA / len(LOOKS), degrees) * deviation / math.sqrt(count)


def _decide(count: int, low: float, high: float, threshold: float) -> Decision:
    floor = FLOOR * threshold
    if count not in LOOKS:
        return Decision.OPEN
    if low >= threshold:
        return Decision.ABOVE
    if high < floor:
        return Decision.BELOW
    if count == MOST_PAIRS and not (low < floor and high >= threshold):
        return Decision.RAMP
    return Decision.OPEN


def _t_quantile(probability: float, degrees: float) -> float:
    """Quantile of Student's t, by the expansion 26.7.5 of Abramowitz and Stegun; ``degrees`` is never below 12 here."""
    z = NormalDist().inv_cdf(probability)
    squared = z * z
    first = (squared + 1) / 4
    second = ((5 * squared + 16) * squared + 3) / 96
    third = (((3 * squared + 19) * squared + 17) * squared - 15) / 384
    fourth = ((((79 * squared + 776) * squared + 1482) * squared - 1920) * squared - 945) / 92160
    return z * (1 + first / degrees + second / degrees**2 + third / degrees**3 + fourth / degrees**4)
