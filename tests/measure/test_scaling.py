"""Work and span are found from times, and say what more workers would give."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.measure.scaling import WORKERS, Scaling, fit


@given(st.floats(0.1, 100.0), st.floats(0.001, 1.0))
def test_a_program_of_known_work_and_span_is_seen_through(work: float, span: float) -> None:
    """Times that are work / p + span give back both, and so the speedup with any number of workers."""
    true = Scaling(work, span)
    found = fit({workers: true.seconds(workers) for workers in WORKERS})
    assert (work, span) == pytest.approx((found.work, found.span), rel=1e-6)
    assert true.speedup(64) == pytest.approx(found.speedup(64), rel=1e-6)


def test_a_serial_program_is_all_span() -> None:
    """Where workers change nothing there is nothing to share: 64 of them are as fast as one."""
    found = fit(dict.fromkeys(WORKERS, 0.5))
    assert (0.0, 0.5, 1.0, 1.0) == pytest.approx((found.work, found.span, found.speedup(64), found.most))


def test_a_perfect_program_has_no_span() -> None:
    """Times that fall as 1 / p, and a little faster by noise, promise all that workers can give, and no more."""
    found = fit({workers: 0.98**workers / workers for workers in WORKERS})
    assert (0.0, math.inf) == (found.span, found.most)
    assert 64 == pytest.approx(found.speedup(64))


def test_noise_moves_it_little() -> None:
    """Errors of 5% in the times leave the prediction within a fifth."""
    true = Scaling(1.0, 0.02)
    times = {p: true.seconds(p) * factor for p, factor in zip(WORKERS, (1.05, 0.95, 1.05, 0.95, 1.05), strict=True)}
    assert true.speedup(64) == pytest.approx(fit(times).speedup(64), rel=0.2)
