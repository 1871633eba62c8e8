"""A sequential test on paired ratios: go on while the answer is not clear, stop as soon as it is, give up at a cap.

Each pair gives the logarithm of (yardstick's time / student's time). At each of a few looks the mean has an interval of
the moderated t statistic (Smyth 2004, "Linear models and empirical Bayes methods", Stat. Appl. Genet. Mol. Biol. 3(1)):
the sample variance is drawn towards the noise that paired times are known to have, so that three pairs that agree by
chance are not taken for certainty. The looks share the allowance for error evenly (Bonferroni over the looks of a group
sequential test, as in Pocock 1977, Biometrika 64), so that looking often does not add up to more than ``ALPHA`` each way.
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


class Decision(Enum):
    """What the pairs so far say of the efficiency against its threshold."""

    ABOVE = auto()
    BELOW = auto()
    OPEN = auto()


@dataclass(frozen=True, slots=True)
class Estimate:
    """Efficiency (a ratio of times), with the interval that the last look gave."""

    efficiency: float
    low: float
    high: float
    pairs: int
    decision: Decision


def judge(ratios: Sequence[float], threshold: float) -> Estimate:
    """What ``ratios`` (yardstick's time / student's time, a pair each) say against ``threshold``."""
    count = len(ratios)
    logs = [math.log(ratio) for ratio in ratios]
    mean = math.fsum(logs) / count
    squares = math.fsum((value - mean) ** 2 for value in logs)
    degrees = count - 1 + PRIOR_DEGREES
    deviation = math.sqrt((squares + PRIOR_DEGREES * PRIOR_DEVIATION**2) / degrees)
    half = _t_quantile(1 - ALPHA / len(LOOKS), degrees) * deviation / math.sqrt(count)
    low, high = math.exp(mean - half), math.exp(mean + half)
    decision = Decision.OPEN
    if count in LOOKS:
        if low >= threshold:
            decision = Decision.ABOVE
        elif high < threshold:
            decision = Decision.BELOW
    return Estimate(math.exp(mean), low, high, count, decision)


def _t_quantile(probability: float, degrees: float) -> float:
    """Quantile of Student's t, by the expansion 26.7.5 of Abramowitz and Stegun; ``degrees`` is never below 12 here."""
    z = NormalDist().inv_cdf(probability)
    squared = z * z
    first = (squared + 1) / 4
    second = ((5 * squared + 16) * squared + 3) / 96
    third = (((3 * squared + 19) * squared + 17) * squared - 15) / 384
    fourth = ((((79 * squared + 776) * squared + 1482) * squared - 1920) * squared - 945) / 92160
    return z * (1 + first / degrees + second / degrees**2 + third / degrees**3 + fourth / degrees**4)
