"""The sequential test: right nearly always, quick where it is clear, silent where it is not."""

import itertools
import math
import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.measure.sequential import (
    FEWEST_PAIRS,
    FLOOR,
    LOOKS,
    MOST_PAIRS,
    Decision,
    Estimate,
    judge,
    ramp,
)

THRESHOLD = 0.75
RUNS = 20_000
NOISE = 0.04

RATIOS = st.lists(st.floats(0.2, 2.0), min_size=1, max_size=MOST_PAIRS)


def _verdict(efficiency: float, chance: random.Random, noise: float = NOISE) -> Estimate:
    """What comes of a submission with this true efficiency, its pairs measured with ``noise``."""
    ratios: list[float] = []
    while True:
        ratios.append(efficiency * math.exp(chance.gauss(0.0, noise)))
        estimate = judge(ratios, THRESHOLD)
        if estimate.decision is not Decision.OPEN or estimate.pairs == MOST_PAIRS:
            return estimate


def _verdicts(efficiency: float, runs: int = RUNS, noise: float = NOISE) -> Iterator[Estimate]:
    chance = random.Random(20260731)
    return (_verdict(efficiency, chance, noise) for _ in range(runs))


@pytest.mark.parametrize(("factor", "right"), [(1.15, 1.0), (1 / 1.15, 0.0)], ids=["15 % above", "15 % below"])
def test_errors_are_rare(factor: float, right: float) -> None:
    """15 % from the threshold and with noise of 4 % a pair, at most 1 of 1000 credits is wrong or missing."""
    verdicts = _verdicts(THRESHOLD * factor)
    wrong = sum(estimate.decision is Decision.OPEN or estimate.credit != right for estimate in verdicts)
    assert wrong <= RUNS // 1000


def test_credit_is_a_ramp_and_no_cliff() -> None:
    """From the threshold down to nine tenths of it, credit falls in proportion; one estimate beside another earns much
    the same."""
    earned = [ramp(THRESHOLD * (1.02 - step / 100), THRESHOLD) for step in range(15)]
    assert (1.0, 0.0) == (earned[0], earned[-1])
    assert pytest.approx(0.5) == ramp(THRESHOLD * (1 + FLOOR) / 2, THRESHOLD)
    assert all(0 <= before - after < 0.11 for before, after in itertools.pairwise(earned))


def test_near_the_threshold_credit_is_close_to_the_true_one() -> None:
    """On the ramp all pairs are used, and the credit strays little from what the true efficiency earns."""
    for factor in (0.95, 1.0):
        strays = [abs(one.credit - ramp(THRESHOLD * factor, THRESHOLD)) for one in _verdicts(THRESHOLD * factor, 2000)]
        assert sum(strays) / len(strays) < 0.08


@pytest.mark.parametrize("factor", [1.15, 1 / 1.15], ids=["15 % above", "15 % below"])
def test_more_noise_than_expected_gives_fewer_verdicts_not_wrong_ones(factor: float) -> None:
    """With noise of 10 % a pair at most 1 of 1000 takes from a right one half of its points, or gives to a wrong one."""
    earned = [one.credit for one in _verdicts(THRESHOLD * factor, 4000, 0.1) if one.decision is not Decision.OPEN]
    assert len(earned) >= 3600
    assert sum(abs(credit - (factor > 1)) > 0.5 for credit in earned) <= 4


@pytest.mark.parametrize(("efficiency", "decision"), [(1.0, Decision.ABOVE), (0.5, Decision.BELOW)])
def test_what_is_clear_is_decided_at_once(efficiency: float, decision: Decision) -> None:
    """Far from the threshold the fewest pairs are enough, nearly always."""
    estimates = list(_verdicts(efficiency, 1000))
    assert {decision} == {estimate.decision for estimate in estimates}
    assert sum(estimate.pairs == FEWEST_PAIRS for estimate in estimates) >= 990


def test_too_few_pairs_decide_nothing() -> None:
    """One or two pairs give no verdict, however far from the threshold they are."""
    for count in range(1, FEWEST_PAIRS):
        assert Decision.OPEN is judge([10.0] * count, THRESHOLD).decision
    assert Decision.ABOVE is judge([10.0] * FEWEST_PAIRS, THRESHOLD).decision


def test_at_the_cap_what_is_uncertain_stays_open() -> None:
    """Where the last interval spans the whole ramp there is no verdict, where it does not the estimate has its credit."""
    wild = [THRESHOLD * 0.95 * factor for factor in (0.5, 2.0)] * (MOST_PAIRS // 2)
    assert Decision.OPEN is judge(wild, THRESHOLD).decision
    calm = judge([THRESHOLD] * MOST_PAIRS, THRESHOLD)
    assert (Decision.RAMP, 1.0) == (calm.decision, pytest.approx(calm.credit))


def test_agreement_by_chance_is_not_taken_for_certainty() -> None:
    """Three pairs that agree to the last digit leave room for the noise that pairs are known to have."""
    estimate = judge([0.8, 0.8, 0.8], THRESHOLD)
    assert (Decision.OPEN, 0.8) == (estimate.decision, pytest.approx(estimate.efficiency))
    assert estimate.low < THRESHOLD < estimate.high


def test_two_readings_of_the_clock_must_agree() -> None:
    """Where one reading says enough and the other too little, more pairs do not help: there is no verdict."""
    enough, little = [1.0] * MOST_PAIRS, [0.5] * MOST_PAIRS
    assert [Decision.ABOVE, Decision.BELOW] == [judge(one, THRESHOLD, one).decision for one in (enough, little)]
    both = judge(enough, THRESHOLD, little)
    assert (Decision.OPEN, pytest.approx(0.5**0.5)) == (both.decision, both.efficiency)
    assert both.low < 0.5 < 1.0 < both.high


@given(RATIOS, st.floats(0.3, 1.5))
def test_the_interval_holds_its_estimate(ratios: list[float], threshold: float) -> None:
    """The estimate lies between the ends of its interval, and the verdict is what the interval says."""
    estimate = judge(ratios, threshold)
    assert estimate.low < estimate.efficiency < estimate.high
    clear = {Decision.ABOVE: estimate.low >= threshold, Decision.BELOW: estimate.high < threshold}
    expected = [decision for decision, holds in clear.items() if holds and len(ratios) in LOOKS]
    assert (expected or [Decision.OPEN]) == [estimate.decision]


@given(st.floats(0.2, 2.0))
def test_more_pairs_that_agree_make_the_interval_narrower(ratio: float) -> None:
    """From the first look on, each further pair that says the same makes the answer more certain."""
    widths = [(e := judge([ratio] * count, 1.0)).high - e.low for count in range(FEWEST_PAIRS + 1, MOST_PAIRS + 1)]
    assert widths == sorted(widths, reverse=True)


@given(RATIOS, st.floats(1.0, 2.0))
def test_a_quicker_submission_is_never_judged_worse(ratios: list[float], factor: float) -> None:
    """Every time made shorter by the same factor moves the whole interval up."""
    order = [Decision.BELOW, Decision.OPEN, Decision.ABOVE]
    slower, quicker = judge(ratios, 0.75), judge([ratio * factor for ratio in ratios], 0.75)
    assert order.index(slower.decision) <= order.index(quicker.decision)
    assert quicker.low >= slower.low - 1e-9


@given(RATIOS)
def test_the_order_of_the_pairs_does_not_matter(ratios: list[float]) -> None:
    """Only what was measured counts, not when."""
    one, other = judge(ratios, 0.75), judge(ratios[::-1], 0.75)
    assert (one.low, one.high) == pytest.approx((other.low, other.high))


@pytest.mark.parametrize(
    ("probability", "degrees", "expected"),
    [(0.975, 12, 2.1788), (0.999, 14, 3.7874), (0.9995, 14, 4.1405), (0.999, 26, 3.4350), (0.99, 30, 2.4573)],
)
def test_quantiles_are_those_of_the_tables(probability: float, degrees: float, expected: float) -> None:
    """Student's quantiles agree with printed tables to three decimals, where they are used."""
    from autograder.measure.sequential import _t_quantile

    assert expected == pytest.approx(_t_quantile(probability, degrees), abs=2e-3)
