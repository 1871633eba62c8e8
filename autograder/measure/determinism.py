"""Whether rows of random numbers are streams of their own: exact repeats, correlation at any lag, the normal distribution.

Pure functions of arrays. Those that leave something to chance take a ``rate``: of that many right solutions at most one
in 1/rate gives a finding, over all that the one call compares (Bonferroni). Every bound holds for any number of samples,
none is asymptotic, so a rate of 1e-6 is what it says. A finding is evidence: which rows, where, how many numbers.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
#: Positions of two rows in a sequence of rows.
Pair = tuple[int, int]

#: Chance that two independent standard normal draws are equal up to their sign, at most: that of the likeliest float32,
#: for whoever draws in float32 and widens. In float64 it is smaller by 2**29.
MEETING = 2.0**-24
#: Rows that are one another's multiples and shifts of value correlate better than this; rounding takes no more.
COPY = 1 - 1e-9
#: So many pairs of rows are transformed at a time, so that memory stays small.
_AT_ONCE = 256


# -- exact repeats ----------------------------------------------------------------------------------------


class Sign(Enum):
    """How the signs of two equal stretches stand to each other."""

    SAME = auto()
    NEGATED = auto()
    MIXED = auto()


@dataclass(frozen=True, slots=True)
class Repeat:
    """Row ``first`` has ``shared`` numbers that row ``second`` has too, up to their sign.

    ``in_line`` of them keep their order: number ``start + k`` of the first is number ``start + lag + k`` of the second
    (for most k). Where both rows are the same one, these are its own numbers that come back.
    """

    first: int
    second: int
    shared: int
    lag: int
    start: int
    in_line: int
    sign: Sign


def repeats(rows: Sequence[Numbers], pairs: Sequence[Pair], rate: float) -> tuple[Repeat, ...]:
    """The pairs that have more numbers in common, up to their signs, than chance gives: in all, or in line at one lag.

    Equal rows, shifted, negated and sign-flipped parts all show by it. The count for n and m independent numbers is at
    most binomial, in all with n trials of probability m x `MEETING`, at one of n + m lags with n of probability
    `MEETING`. P(count >= k) <= exp(k - mean) (mean / k)^k (Chernoff's bound: Mitzenmacher and Upfal, "Probability and
    Computing", theorem 4.4). The rate is shared out over the pairs, then half and half, then over the lags.

    Args:
        rows: One-dimensional arrays of any lengths.
        pairs: Which rows are compared; (i, i) looks for numbers that row i has twice.
        rate: Chance of any finding, for independent rows.
    """
    sizes = [np.abs(row) for row in rows]
    if not _any_twice(sizes):
        return ()
    found = (_repeat(rows, sizes, pair, rate / len(pairs)) for pair in pairs)
    return tuple(repeat for repeat in found if repeat is not None)


def fewest_that_tell(mean: float, rate: float) -> int:
    """The least count of common numbers that comes about at most at ``rate``, where ``mean`` of them are expected."""
    count = max(1, math.ceil(mean))
    while mean > 0 and count - mean + count * math.log(mean / count) > math.log(rate):
        count += 1
    return count


def _any_twice(rows: Sequence[Numbers]) -> bool:
    """Whether any number is there twice at all: mostly none is, and nothing has to be compared."""
    ordered = np.sort(np.concatenate([np.zeros(0), *rows]))
    return bool((ordered[1:] == ordered[:-1]).any())


def _repeat(rows: Sequence[Numbers], sizes: Sequence[Numbers], pair: Pair, rate: float) -> Repeat | None:
    one, other = pair
    a, b = sizes[one], sizes[other]
    order = np.argsort(b, kind="stable")
    # For number i of a the place j in b; within one row the next place of the same number, so that none meets itself.
    place = np.searchsorted(b[order], a, side="left")
    if one == other:
        place = np.argsort(order, kind="stable") + 1
    inside = place < b.size
    i = np.flatnonzero(inside)[a[inside] == b[order[place[inside]]]]
    if not i.size:
        return None
    j = order[place[i]]
    lags, counts = np.unique(j - i, return_counts=True)
    best = int(np.argmax(counts))
    in_all = fewest_that_tell(a.size * b.size * MEETING / (2 if one == other else 1), rate / 2)
    in_line = fewest_that_tell(min(a.size, b.size) * MEETING, rate / 2 / (a.size + b.size))
    if i.size < in_all and counts[best] < in_line:
        return None
    lag = int(lags[best])
    line = i[j - i == lag]
    turned = rows[one][line] != rows[other][line + lag]
    sign = Sign.NEGATED if turned.all() else Sign.MIXED if turned.any() else Sign.SAME
    return Repeat(one, other, i.size, lag, int(line[0]), int(counts[best]), sign)


@dataclass(frozen=True, slots=True)
class Family:
    """For each r of ``rows``, row r of one seed is row r - ``offset`` of another: the seeds are neighbours in one family."""

    seed: int
    other_seed: int
    offset: int
    rows: tuple[int, ...]


def seed_families(arrays: Mapping[int, Numbers]) -> tuple[Family, ...]:
    """Rows that come back, whole, under another seed; ``seed + rank`` gives offset k between the seeds s and s + k.

    Exact: equal bit by bit, so nothing is left to chance. (Why seeds must not be added to ranks: the documentation of
    numpy, "Parallel random number generation".)

    Args:
        arrays: For each seed the rows, shape (workers, samples).
    """
    found = []
    for (seed, one), (other_seed, other) in itertools.combinations(sorted(arrays.items()), 2):
        places: dict[bytes, int] = {row.tobytes(): rank for rank, row in enumerate(other)}
        offsets: dict[int, list[int]] = {}
        for rank, row in enumerate(one):
            if (met := places.get(row.tobytes())) is not None:
                offsets.setdefault(rank - met, []).append(rank)
        found += [Family(seed, other_seed, offset, tuple(ranks)) for offset, ranks in offsets.items()]
    return tuple(found)


# -- correlation ------------------------------------------------------------------------------------------


class Aspect(Enum):
    """What of the numbers correlates."""

    NUMBERS = auto()
    #: Their distance from zero: also rows whose signs are drawn anew share it.
    MAGNITUDES = auto()


@dataclass(frozen=True, slots=True)
class Correlation:
    """Number i of row ``first`` and number i + ``lag`` of row ``second`` go together, over ``overlap`` numbers.

    ``chance`` bounds how often independent rows give as much anywhere in what was compared. The second row is about
    ``slope`` x the first + ``offset``, and exactly so, up to rounding, if it is a `copy`.
    """

    first: int
    second: int
    aspect: Aspect
    lag: int
    overlap: int
    correlation: float
    chance: float
    slope: float
    offset: float

    @property
    def copy(self) -> bool:
        """Whether one row is an affine copy of the other."""
        return self.aspect is Aspect.NUMBERS and abs(self.correlation) > COPY


@dataclass(frozen=True, slots=True)
class Lags:
    """Correlations of several pairs of rows at all lags: ``lags`` and ``overlaps`` (lags,), the others (pairs, lags)."""

    lags: NDArray[np.int64]
    overlaps: NDArray[np.int64]
    correlations: Numbers
    #: Natural logarithm of a bound on the chance of such a correlation, either way.
    log_chances: Numbers


def strongest_correlation(
    rows: Sequence[Numbers], pairs: Sequence[Pair], rate: float, aspect: Aspect = Aspect.NUMBERS
) -> Correlation | None:
    """The least likely correlation of any pair at any lag, if its chance over all pairs and lags is at most ``rate``.

    With P pairs and L lags each, a single correlation must have a chance of at most rate / (P x L).

    Args:
        rows: One-dimensional arrays of any lengths; those shorter than 8 are compared with nothing.
        pairs: Which different rows are compared.
        rate: Chance of a finding, for independent rows of standard normal numbers.
        aspect: What of the numbers is compared.
    """
    values = list(rows) if aspect is Aspect.NUMBERS else [magnitude_scores(row) for row in rows]
    comparisons, best = 0, (math.inf, (0, 0), 0, 0, 0.0)
    for chosen in _of_one_shape(rows, pairs):
        table = lag_correlations(
            np.stack([values[one] for one, _ in chosen]), np.stack([values[other] for _, other in chosen])
        )
        comparisons += table.log_chances.size
        pair, at = np.unravel_index(np.argmin(table.log_chances), table.log_chances.shape)
        found = float(table.log_chances[pair, at])
        if found < best[0]:
            r = float(table.correlations[pair, at])
            best = (found, chosen[pair], int(table.lags[at]), int(table.overlaps[at]), r)
    log_chance, (one, other), lag, overlap, r = best
    if not comparisons or log_chance + math.log(comparisons) > math.log(rate):
        return None
    begin = max(0, -lag)
    x, y = values[one][begin : begin + overlap], values[other][begin + lag : begin + lag + overlap]
    slope = r * float(y.std() / x.std())
    chance = math.exp(log_chance + math.log(comparisons))
    return Correlation(one, other, aspect, lag, overlap, r, chance, slope, float(y.mean() - slope * x.mean()))


def lag_correlations(first: Numbers, second: Numbers) -> Lags:
    """Pearson's correlation of pairs of rows at every lag that leaves them half of the shorter row in common.

    For independent rows, one of them normal, r over N numbers has the density c (1 - r^2)^((N-4)/2), for every N
    (Fisher 1915, Biometrika 10). Hence, with c < sqrt((N-2) / (2 pi)) and r >= |rho| in the integral,

        P(|r| >= rho) <= (1 - rho^2)^((N-2)/2) x min(1, sqrt(2 / (pi (N-2))) / rho),

    which is about the tail of N(0, 1/N) and does not fail where the overlap is small. All lags at once by a fast
    Fourier transform (Cooley and Tukey 1965); means and variances are those of the numbers that overlap.

    Args:
        first: Shape (pairs, n), n at least 8.
        second: Shape (pairs, m), m at least 8.
    """
    with np.errstate(all="ignore"):  # numbers near the ends of float64 correlate with nothing
        return _lag_correlations(_standardized(first), _standardized(second))


def _lag_correlations(first: Numbers, second: Numbers) -> Lags:
    n, m = first.shape[1], second.shape[1]
    least = (min(n, m) + 1) // 2
    lags = np.arange(least - n, m - least + 1)
    begin, end = np.maximum(0, -lags), np.minimum(n, m - lags)
    overlaps = end - begin
    size = 1 << (n + m - 1).bit_length()
    spectrum = np.conj(np.fft.rfft(first, size)) * np.fft.rfft(second, size)
    products = np.fft.irfft(spectrum, size)[:, lags % size]
    sum_1, sum_2 = _sums(first, begin, end), _sums(second, begin + lags, end + lags)
    spread = (_sums(first**2, begin, end) - sum_1**2 / overlaps) * (
        _sums(second**2, begin + lags, end + lags) - sum_2**2 / overlaps
    )
    varies = spread > 1e-9  # numbers that are all the same correlate with nothing
    correlations = np.where(varies, products - sum_1 * sum_2 / overlaps, 0.0) / np.sqrt(np.where(varies, spread, 1.0))
    correlations = np.clip(correlations, -1.0, 1.0)
    rho = np.clip(np.abs(correlations), 1e-12, 1 - 1e-15)
    log_chances = (overlaps - 2) / 2 * np.log1p(-(rho**2)) + np.minimum(
        0.0, 0.5 * np.log(2 / (math.pi * (overlaps - 2))) - np.log(rho)
    )
    return Lags(lags, overlaps, correlations, log_chances)


def magnitude_scores(numbers: Numbers) -> Numbers:
    """Standard normal numbers for standard normal numbers: z with P(Z <= z) = P(|X| <= |x|), shape kept.

    What is proven of correlations of normal numbers then holds for magnitudes too.
    """
    magnitudes, scores = _score_table()
    return np.interp(np.abs(numbers), magnitudes, scores)


@cache
def _score_table() -> tuple[Numbers, Numbers]:
    normal = NormalDist()
    scores = np.arange(-1200, 1201) / 200  # up to 6: 1 in 10^9 lies beyond
    return np.array([normal.inv_cdf(0.5 + normal.cdf(z) / 2) for z in scores.tolist()]), scores


def _of_one_shape(rows: Sequence[Numbers], pairs: Sequence[Pair]) -> Iterator[list[Pair]]:
    """The pairs, sorted into lists whose first rows have one length and whose second rows have one length."""
    shapes: dict[Pair, list[Pair]] = {}
    for one, other in pairs:
        if min(rows[one].size, rows[other].size) >= 8:
            shapes.setdefault((rows[one].size, rows[other].size), []).append((one, other))
    for alike in shapes.values():
        for begin in range(0, len(alike), _AT_ONCE):
            yield alike[begin : begin + _AT_ONCE]


def _standardized(rows: Numbers) -> Numbers:
    centred = rows - rows.mean(axis=1, keepdims=True)
    deviations = centred.std(axis=1, keepdims=True)
    scaled: Numbers = centred / np.where(deviations > 0, deviations, 1.0)
    return scaled


def _sums(rows: Numbers, begin: NDArray[np.int64], end: NDArray[np.int64]) -> Numbers:
    """Sums of the numbers from ``begin`` to before ``end``, in each row: shape (rows, places)."""
    running = np.concatenate([np.zeros((rows.shape[0], 1)), np.cumsum(rows, axis=1)], axis=1)
    between: Numbers = running[:, end] - running[:, begin]
    return between


# -- the normal distribution ------------------------------------------------------------------------------


class Trait(Enum):
    """What tells numbers from standard normal ones."""

    MEAN = auto()
    SPREAD = auto()
    SHAPE = auto()


@dataclass(frozen=True, slots=True)
class Misfit:
    """Numbers that are not standard normal: the mean, the root mean square or the distance of distributions found."""

    trait: Trait
    value: float
    chance: float


def misfit(numbers: Numbers, rate: float) -> Misfit | None:
    """What shows, with a false-alarm rate of at most ``rate``, that the numbers are not independent standard normal.

    Each trait has a third of the rate. The mean of n numbers is exactly N(0, 1/n). For the mean square s,
    P(s is so far from 1) <= 2 (s e^(1-s))^(n/2) (Chernoff's bound of chi squared). For the largest distance D of the
    distribution functions (Kolmogorov-Smirnov), P(D >= d) <= 2 exp(-2 n d^2) (Massart 1990, Ann. Probab. 18).
    """
    found = min(misfits(numbers), key=lambda one: one.chance)
    return found if found.chance * len(Trait) <= rate else None


def misfits(numbers: Numbers) -> tuple[Misfit, Misfit, Misfit]:
    """The three traits of the numbers, each with (a bound of) its own chance."""
    x = np.sort(numbers, axis=None)
    n = x.size
    with np.errstate(over="ignore"):
        mean, square = float(x.mean()), float((x**2).mean())
    below = np.array([math.erfc(-value / math.sqrt(2)) / 2 for value in x.tolist()])
    distance = float(max((np.arange(1, n + 1) / n - below).max(), (below - np.arange(n) / n).max()))
    log_spread = n / 2 * (math.log(square) + 1 - square) if 0 < square < math.inf else -math.inf
    return (
        Misfit(Trait.MEAN, mean, math.erfc(abs(mean) * math.sqrt(n / 2))),
        Misfit(Trait.SPREAD, math.sqrt(square), min(1.0, 2 * math.exp(log_spread))),
        Misfit(Trait.SHAPE, distance, min(1.0, 2 * math.exp(-2 * n * distance**2))),
    )
