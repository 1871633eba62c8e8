"""The scaling curve is drawn from a verdict alone."""

from autograder.records import Kind, Outcome, Verdict
from autograder.report.scaling import curve_lines


def _verdict(**measured: float | list[float]) -> Verdict:
    return Verdict(
        name="test_fast", title="It is fast.", kind=Kind.SPEEDUP, outcome=Outcome.PASSED, score=1.0, points=1.0,
        measured=dict(measured),
    )  # fmt: skip


def test_a_bar_for_each_number_of_workers() -> None:
    """Speedup, attainable speedup and ideal stand behind one another; work and span say what 64 workers would give."""
    lines = curve_lines(
        _verdict(
            workers=[1.0, 2.0, 4.0],
            speedups=[1.0, 1.66, 2.4],
            attainables=[1.0, 2.0, 3.4],
            work_seconds=0.3,
            span_seconds=0.1,
            predicted_at_64=3.8,
        )
    )
    assert [
        "workers  speedup █, attainable ░, ideal ·",
        "      1  ███ 1.0 of 1.0",
        "      2  █████░ 1.7 of 2.0",
        "      4  ███████░░░·· 2.4 of 3.4",
        (
            "work 300 ms, span 100 ms (what no worker can share): no number of workers gives more than 4; "
            "64 workers would give about 3.8"
        ),
    ] == [line.plain for line in lines]


def test_without_a_curve_nothing_is_drawn() -> None:
    """A check without one, and a program without a span, are no trouble."""
    assert [] == list(curve_lines(_verdict(efficiency=0.9)))
    last = list(curve_lines(_verdict(workers=[], work_seconds=1.0, span_seconds=0.0, predicted_at_64=64.0)))
    assert [] == last
    *_, said = curve_lines(
        _verdict(
            workers=[1.0], speedups=[1.0], attainables=[1.0], work_seconds=1.0, span_seconds=0.0, predicted_at_64=64.0
        )
    )
    assert "no limit was seen; 64 workers would give about 64" in said.plain
