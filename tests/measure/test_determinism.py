"""Streams of random numbers: every planted defect is found, and independent streams pass at the stated rate."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.measure.determinism import (
    MEETING,
    Aspect,
    Correlation,
    Family,
    Numbers,
    Pair,
    Repeat,
    Sign,
    Trait,
    fewest_that_tell,
    lag_correlations,
    magnitude_scores,
    misfit,
    misfits,
    repeats,
    seed_families,
    strongest_correlation,
)

RATE = 1e-6
WORKERS = 4
LENGTH = 1000
ALL_PAIRS: list[Pair] = list(itertools.combinations(range(WORKERS), 2))


def spawned(seed: int, length: int = LENGTH) -> Numbers:
    """Rows from spawned seed sequences."""
    streams = np.random.SeedSequence(seed).spawn(WORKERS)
    return np.stack([np.random.default_rng(stream).standard_normal(length) for stream in streams])


def jumped(seed: int, length: int = LENGTH) -> Numbers:
    """Rows from one Philox generator, jumped ahead for each row."""
    plain = np.random.Philox(seed)
    return np.stack([np.random.Generator(plain.jumped(rank)).standard_normal(length) for rank in range(WORKERS)])


def independent(seed: int, length: int = LENGTH) -> Numbers:
    """Rows from generators that are seeded with pairs of numbers."""
    return np.stack([np.random.default_rng([seed, rank]).standard_normal(length) for rank in range(WORKERS)])


def widened(seed: int, length: int = LENGTH) -> Numbers:
    """Rows drawn in float32, as torch does: two of their numbers may meet by chance."""
    streams = np.random.SeedSequence(seed).spawn(WORKERS)
    drawn = [np.random.default_rng(stream).standard_normal(length, dtype=np.float32) for stream in streams]
    return np.stack(drawn).astype(np.float64)


RIGHT = [spawned, jumped, independent, widened]


def seed_plus_rank(seed: int, length: int = LENGTH) -> Numbers:
    """The mistake that moves the trouble to the next seed."""
    return np.stack([np.random.default_rng(seed + rank).standard_normal(length) for rank in range(WORKERS)])


def correlation_of(rows: Numbers, aspect: Aspect = Aspect.NUMBERS) -> Correlation:
    """What is found, which must be something."""
    found = strongest_correlation(rows, ALL_PAIRS, RATE, aspect)
    assert found is not None
    return found


# -- right streams ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", RIGHT)
def test_independent_streams_pass(make: Callable[[int], Numbers]) -> None:
    """Nothing is found in rows of right generators, for 20 seeds: repeats, correlations, misfits, families."""
    arrays = {seed: make(seed) for seed in range(20)}
    for rows in arrays.values():
        assert () == repeats(rows, ALL_PAIRS, RATE)
        assert [None, None] == [strongest_correlation(rows, ALL_PAIRS, RATE, aspect) for aspect in Aspect]
        assert misfit(rows, RATE) is None
    assert () == seed_families(arrays)


# -- exact repeats ----------------------------------------------------------------------------------------


def test_equal_rows_are_found() -> None:
    """Two equal rows: all numbers shared, without a shift."""
    rows = spawned(1)
    rows[3] = rows[1]
    assert (Repeat(1, 3, LENGTH, 0, 0, LENGTH, Sign.SAME),) == repeats(rows, ALL_PAIRS, RATE)


@pytest.mark.parametrize("shift", [1, 7, 500, 970, 990])
@pytest.mark.parametrize(("factor", "sign"), [(1.0, Sign.SAME), (-1.0, Sign.NEGATED)], ids=["same", "negated"])
def test_shifted_parts_are_found(shift: int, factor: float, sign: Sign) -> None:
    """A row that goes on where another begins, be it only for ten numbers, and with turned signs too."""
    rows = spawned(2)
    rows[2][: LENGTH - shift] = factor * rows[0][shift:]
    shared = LENGTH - shift
    assert (Repeat(0, 2, shared, -shift, shift, shared, sign),) == repeats(rows, ALL_PAIRS, RATE)


def test_flipped_and_shuffled_numbers_are_found() -> None:
    """The numbers of another row with signs drawn anew, or in another order."""
    rows, chance = spawned(3), np.random.default_rng(3)
    rows[1] = rows[0] * chance.choice([-1.0, 1.0], LENGTH)
    rows[3] = chance.permutation(rows[2])
    flipped, shuffled = repeats(rows, ALL_PAIRS, RATE)
    assert Repeat(0, 1, LENGTH, 0, 0, LENGTH, Sign.MIXED) == flipped
    assert (2, 3, LENGTH) == (shuffled.first, shuffled.second, shuffled.shared)


def test_a_row_that_repeats_itself_is_found() -> None:
    """The first hundred numbers come back at the end."""
    row = spawned(4)[0]
    assert () == repeats([row], [(0, 0)], RATE)
    row[-100:] = row[:100]
    assert (Repeat(0, 0, 100, 900, 0, 100, Sign.SAME),) == repeats([row], [(0, 0)], RATE)


def test_a_few_equal_numbers_are_chance() -> None:
    """So many numbers in common, at any places, as float32 gives by chance are let pass; one more is not."""
    fewest = fewest_that_tell(LENGTH**2 * MEETING, RATE / len(ALL_PAIRS) / 2)
    assert 3 < fewest < 10
    rows, places = spawned(5), np.arange(fewest)
    rows[1][places[1:] ** 3] = rows[0][places[1:]]
    assert () == repeats(rows, ALL_PAIRS, RATE)
    rows[1][places**3] = rows[0][places]
    assert [fewest] == [found.shared for found in repeats(rows, ALL_PAIRS, RATE)]


def test_a_few_equal_numbers_in_line_are_no_chance() -> None:
    """Two long rows may share some numbers by chance, but not several in a row."""
    rows = spawned(5, 10_000)
    rows[1][77:80] = rows[0][:3]
    assert () == repeats(rows, ALL_PAIRS, RATE)
    rows[1][77:82] = rows[0][:5]
    assert (Repeat(0, 1, 5, 77, 0, 5, Sign.SAME),) == repeats(rows, ALL_PAIRS, RATE)


@given(mean=st.floats(1e-6, 50), exponent=st.floats(2, 12))
def test_the_bound_for_chance_holds(mean: float, exponent: float) -> None:
    """Of Poisson counts with this mean no more reach the bound than stated: by the exact tail."""
    rate = 10**-exponent
    fewest = fewest_that_tell(mean, rate)
    tail = math.fsum(
        math.exp(-mean + count * math.log(mean) - math.lgamma(count + 1)) for count in range(fewest, fewest + 400)
    )
    assert tail <= rate * (1 + 1e-9)


# -- seeds ------------------------------------------------------------------------------------------------


def test_seed_plus_rank_is_a_family() -> None:
    """Row r of seed s is row r - k of seed s + k, and it says so."""
    found = seed_families({seed: seed_plus_rank(seed, 50) for seed in (5, 6, 8)})
    assert (Family(5, 6, 1, (1, 2, 3)), Family(5, 8, 3, (3,)), Family(6, 8, 2, (2, 3))) == found


def test_seeds_that_share_one_row_are_a_family() -> None:
    """Any place may meet any other."""
    arrays = {seed: spawned(seed, 50) for seed in (0, 1)}
    assert () == seed_families(arrays)
    arrays[1][0] = arrays[0][2]
    assert (Family(0, 1, 2, (2,)),) == seed_families(arrays)


# -- correlation ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lag", [0, 3, -3, 40, -1500])
@pytest.mark.parametrize("strength", [0.2, -0.2])
def test_a_correlation_of_a_fifth_is_found_at_its_lag(lag: int, strength: float) -> None:
    """Rows that are independent but for a fifth of their value."""
    rows = spawned(6, 10_000)
    rows[2] = strength * np.roll(rows[1], lag) + math.sqrt(1 - strength**2) * rows[2]
    found = correlation_of(rows)
    assert (1, 2, lag, 10_000 - abs(lag)) == (found.first, found.second, found.lag, found.overlap)
    assert strength == pytest.approx(found.correlation, abs=0.05)
    assert found.chance < RATE
    assert not found.copy


def test_autoregressive_dependence_between_rows_is_found() -> None:
    """AR(1) from row to row: each is a third of the one before, and something new."""
    rows = spawned(7, 5000)
    for rank in range(1, WORKERS):
        rows[rank] = 0.35 * rows[rank - 1] + math.sqrt(1 - 0.35**2) * rows[rank]
    found = correlation_of(rows)
    assert (1, 0) == (found.second - found.first, found.lag)


@pytest.mark.parametrize(("slope", "offset"), [(2.0, 3.0), (-0.5, 1e6), (1.0, 0.25)])
def test_affine_copies_are_found(slope: float, offset: float) -> None:
    """Row b = a x row + c has no number of the row, and still gives it away."""
    rows = spawned(8)
    rows[3] = slope * rows[0] + offset
    assert () == repeats(rows, ALL_PAIRS, RATE)
    found = correlation_of(rows)
    assert (0, 3, 0, True) == (found.first, found.second, found.lag, found.copy)
    assert (slope, offset) == (pytest.approx(found.slope), pytest.approx(found.offset))


def test_shared_magnitudes_are_found() -> None:
    """Rows whose numbers are large at the same places, with signs of their own, do not correlate and depend."""
    rows, chance = spawned(9, 10_000), np.random.default_rng(9)
    scale = np.exp(0.4 * chance.standard_normal(10_000))
    rows[0], rows[1] = rows[0] * scale, rows[1] * scale
    assert strongest_correlation(rows, ALL_PAIRS, RATE) is None
    found = correlation_of(rows, Aspect.MAGNITUDES)
    assert (0, 1, 0) == (found.first, found.second, found.lag)


def test_correlations_are_those_of_numpy() -> None:
    """At every lag the correlation is Pearson's of the numbers that overlap, for rows of two lengths."""
    first, second = spawned(10, 60)[:2] + 5, spawned(11, 47)[:2]
    table = lag_correlations(first, second)
    assert table.overlaps.min() >= 47 / 2
    for at, (lag, overlap) in enumerate(zip(table.lags.tolist(), table.overlaps.tolist(), strict=True)):
        begin = max(0, -lag)
        a, b = first[:, begin : begin + overlap], second[:, begin + lag : begin + lag + overlap]
        expected = [np.corrcoef(x, y)[0, 1] for x, y in zip(a, b, strict=True)]
        assert expected == pytest.approx(table.correlations[:, at].tolist(), abs=1e-12)


@pytest.mark.parametrize("overlap", [8, 9, 30, 400])
@pytest.mark.parametrize("rho", [0.01, 0.3, 0.7, 0.95])
def test_the_chance_of_a_correlation_is_never_understated(overlap: int, rho: float) -> None:
    """The bound is above the exact tail of Fisher's density, and near it where it matters."""
    r = np.linspace(rho, 1, 200_001)
    power = (overlap - 4) / 2
    constant = math.exp(math.lgamma((overlap - 1) / 2) - math.lgamma((overlap - 2) / 2)) / math.sqrt(math.pi)
    exact = 2 * constant * float(np.trapezoid((1 - r**2) ** power, r))
    x = np.zeros(overlap)
    x[0], x[1] = 1.0, -1.0
    y = np.zeros(overlap)
    y[:4] = rho, -rho, math.sqrt(1 - rho**2), -math.sqrt(1 - rho**2)
    table = lag_correlations(x[None], y[None])
    at = int(np.flatnonzero(table.lags == 0)[0])
    assert rho == pytest.approx(float(table.correlations[0, at]))
    bound = math.exp(float(table.log_chances[0, at]))
    assert exact <= bound * (1 + 1e-6)
    assert bound <= 1.0
    if exact < 1e-3:
        assert bound < 1.5 * exact


def test_numbers_that_do_not_vary_correlate_with_nothing() -> None:
    """Constant rows, rows at the end of float64, and short ones give no finding and no warning."""
    rows = [np.ones(100), np.full(100, 1e308), np.tile([-1e308, 1e308], 50), spawned(12, 100)[0], np.ones(3)]
    pairs = [pair for pair in itertools.combinations(range(5), 2) if pair != (2, 3)]
    assert [None, None] == [strongest_correlation(rows, pairs, RATE, aspect) for aspect in Aspect]
    assert strongest_correlation(rows, [], RATE) is None


def test_scores_of_magnitudes_are_normal() -> None:
    """Standard normal numbers have standard normal scores, in the order of their magnitudes."""
    numbers = spawned(13, 50_000)[0]
    scores = magnitude_scores(numbers)
    assert misfit(scores, 1e-3) is None
    assert (np.argsort(scores) == np.argsort(np.abs(numbers))).all()


# -- the normal distribution ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spoil", "trait"),
    [
        (lambda x: x + 0.05, Trait.MEAN),
        (lambda x: 1.05 * x, Trait.SPREAD),
        (lambda x: 0.95 * x, Trait.SPREAD),
        (lambda x: np.sign(x) * np.sqrt(3) * np.abs(2 * np.argsort(np.argsort(x)) / x.size - 1), Trait.SHAPE),
        (np.zeros_like, Trait.SPREAD),
        (lambda x: 1e300 * x, Trait.MEAN),
    ],
    ids=["moved", "wide", "narrow", "uniform", "zero", "huge"],
)
def test_numbers_that_are_not_standard_normal_are_found(spoil: Callable[[Numbers], Numbers], trait: Trait) -> None:
    """20,000 numbers with 5 % of a wrong mean or spread, or another shape."""
    found = misfit(spoil(spawned(14, 20_000)[0]), RATE)
    assert found is not None
    assert trait is found.trait
    assert found.chance <= RATE / 3


def test_rates_are_kept() -> None:
    """At a level of 1 in 20, of 2000 right solutions no more are found than the level (and chance) allows."""
    level, tries = 0.05, 2000
    rows = np.random.default_rng(15).standard_normal((tries, 2, 64))
    alarms = {
        "numbers": sum(strongest_correlation(pair, [(0, 1)], level) is not None for pair in rows),
        "magnitudes": sum(strongest_correlation(pair, [(0, 1)], level, Aspect.MAGNITUDES) is not None for pair in rows),
        "normal": sum(misfit(pair, level) is not None for pair in rows),
    }
    allowed = level * tries + 5 * math.sqrt(level * tries)
    assert {} == {name: count for name, count in alarms.items() if count > allowed}
    assert alarms["numbers"] > level * tries / 4, "the bound is not idle either"


def test_each_trait_has_its_own_chance() -> None:
    """The mean's chance is exact; the others' are bounds."""
    numbers = np.array([0.5, -0.5, 1.5, -1.5])
    mean, spread, shape = misfits(numbers)
    assert (0.0, 1.0) == (mean.value, mean.chance)
    assert math.sqrt(1.25) == pytest.approx(spread.value)
    assert 0 < shape.value < 1
