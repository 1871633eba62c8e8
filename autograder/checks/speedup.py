"""The speedup check: submission and yardstick in turn on the same inputs, until the ratio of their times is clear."""

import contextlib
import random
from collections.abc import Callable
from typing import Any

import psutil

from autograder.checks.asserts import assert_clean, fail, fingerprint, inconclusive, shorten
from autograder.errors import GraderError, SubmissionFailure, SubmissionTimeoutError
from autograder.measure.observation import Observation, StartMethod
from autograder.measure.scaling import WORKERS, fit
from autograder.measure.sequential import FLOOR, MOST_PAIRS, Decision, Estimate, judge

Compare = Callable[[Any, Any], str | None]
#: Runs on a problem. The yardstick is told the start method too, and either a number of workers for a curve.
Program = Callable[..., Observation]


class Speedup:
    """The ``speedup`` fixture. Fills ``measured`` and decides the check."""

    def __init__(self, measured: dict[str, Any], seed: str, in_depth: bool = False) -> None:
        self._measured = measured
        self._seed = seed
        self._in_depth = in_depth
        self._curve: dict[str, Any] = {}

    def __call__(
        self,
        *,
        case: Callable[[random.Random], Any],
        student: Program,
        yardstick: Program,
        needed: float,
        workers: int | None = None,
        compare: Compare | None = None,
        curve: bool = False,
    ) -> None:
        """Judge the efficiency: the yardstick's time over the student's, which must reach ``needed``.

        Somewhat below ``needed`` a part of the points is earned (:func:`autograder.measure.sequential.ramp`).

        Args:
            case: Makes a fresh input for each pair.
            student: Runs the submission on it.
            yardstick: Runs, on the same input, what shows how fast this machine can do it now; its value is right. It
                starts its processes as the submission does, since the start methods differ in what a process costs.
            needed: The efficiency that passes.
            workers: Most processes that the submission may have at once.
            compare: Says what is wrong with the student's value, if anything; equality where it is not given.
            curve: ``student`` and ``yardstick`` take a number of workers as a further argument. Where evidence is asked
                for, they are tried with 1 to 16 workers, and their speedups are drawn.
        """
        if curve and self._in_depth:
            with contextlib.suppress(SubmissionFailure):  # it decides nothing
                self._draw_curve(case(random.Random(f"{self._seed} curve")), student, yardstick)
        ratios: list[float] = []
        others: list[float] = []
        method = StartMethod.FORK
        for pair in range(MOST_PAIRS):
            problem = case(random.Random(f"{self._seed} {pair}"))
            # In turn first and second, so that a machine which slows down does not favour one.
            if pair % 2:
                theirs, ours = student(problem), _measure(yardstick, problem, method)
            else:
                ours, theirs = _measure(yardstick, problem, method), student(problem)
            self._verify(ours, theirs, workers, compare or _equal)
            if theirs.start_method is not method:
                method = theirs.start_method
                ours = _measure(yardstick, problem, method)
            ratios.append(ours.corrected_seconds / max(theirs.corrected_seconds, 1e-6))
            others.append(ours.corrected_at_most / max(theirs.corrected_at_most, 1e-6))
            estimate = judge(ratios, needed, others)
            self._record(estimate, ours, theirs, needed)
            if estimate.decision is not Decision.OPEN:
                break
        self._decide(estimate, theirs.corrected, needed)

    def _draw_curve(self, problem: Any, student: Program, yardstick: Program) -> None:
        theirs = {workers: student(problem, workers) for workers in WORKERS}
        method = theirs[WORKERS[-1]].start_method
        ours = {workers: yardstick(problem, method, workers) for workers in WORKERS}
        for seen in theirs.values():
            seen.value  # noqa: B018 - raises what was raised: then there is nothing to draw
        times, attainable = (
            {workers: max(seen.corrected_seconds, 1e-6) for workers, seen in one.items()} for one in (theirs, ours)
        )
        scaling = fit(times)
        self._curve = {
            "workers": list(WORKERS),
            "speedups": [round(ours[1].cpu_seconds / times[workers], 2) for workers in WORKERS],
            "attainables": [round(ours[1].cpu_seconds / attainable[workers], 2) for workers in WORKERS],
            "work_seconds": round(scaling.work, 4),
            "span_seconds": round(scaling.span, 4),
            "predicted_at_64": round(scaling.speedup(64), 2),
        }

    def _verify(self, ours: Observation, theirs: Observation, workers: int | None, compare: Compare) -> None:
        wrong = compare(ours.value, theirs.value)
        if wrong:
            fail(f"A speedup counts only where the result is right, and this one is not. {wrong}")
        if theirs.leftovers:
            # The clock stops when the sandbox is empty: work that goes on after the return has not been timed.
            assert_clean(theirs)
        if workers is not None and theirs.peak_processes > workers:
            fail(f"{theirs.peak_processes} processes were alive at once, where {workers} workers were asked for.")

    def _record(self, estimate: Estimate, ours: Observation, theirs: Observation, needed: float) -> None:
        self._measured.update(
            efficiency=round(estimate.efficiency, 3),
            needed=needed,
            interval=[round(estimate.low, 3), round(estimate.high, 3)],
            pairs=estimate.pairs,
            # What the yardstick's processes computed, one after another, is the serial time.
            speedup=round(ours.cpu_seconds / max(theirs.corrected_seconds, 1e-6), 2),
            attainable=round(ours.cpu_seconds / max(ours.corrected_seconds, 1e-6), 2),
            credit=round(estimate.credit, 3),
            clock="corrected" if theirs.corrected else "wall",
            **self._curve,
        )

    def _decide(self, estimate: Estimate, corrected: bool, needed: float) -> None:
        seen = (
            f"{self._measured['speedup']:.2f} times as fast as one process, where this machine could give "
            f"{self._measured['attainable']:.2f}: an efficiency of {estimate.efficiency:.0%} "
            f"({estimate.low:.0%} to {estimate.high:.0%} after {estimate.pairs} pairs of runs), {needed:.0%} needed."
        )
        if not corrected and psutil.getloadavg()[0] > 1.5 * (psutil.cpu_count() or 1):
            inconclusive(
                f"{seen}\nOther work keeps this machine busy, and it has no counters that could correct for it."
            )
        if estimate.decision is Decision.OPEN:
            inconclusive(f"It was {seen}\nThat is too uncertain for a verdict.")
        if estimate.credit < 1.0:
            part = f" From {FLOOR * needed:.0%} up a part of the points is earned." if estimate.credit > 0 else ""
            fail(
                f"It was {seen}{part}\nWhere did the rest of the time go? Look at which worker ended last, "
                "who waited for whom, and what starting and talking to the workers cost.",
                credit=estimate.credit,
            )


def _measure(yardstick: Program, problem: Any, method: StartMethod) -> Observation:
    """The yardstick's run. It is ours: where it fails, no student has."""
    try:
        ours = yardstick(problem, method)
        ours.value  # noqa: B018 - raises what the yardstick raised
    except SubmissionTimeoutError as error:
        inconclusive(f"This machine is too busy: what is measured against did not end in time. {error}")
    except SubmissionFailure as error:
        raise GraderError(f"the yardstick failed: {error}") from error
    return ours


def _equal(expected: Any, actual: Any) -> str | None:
    if type(actual) is list and type(expected) is list:
        if len(actual) != len(expected):
            return f"Expected {len(expected)} results, found {len(actual)}."
        pairs = enumerate(zip(expected, actual, strict=True))
        index = next((index for index, (left, right) in pairs if not _same(left, right)), None)
        if index is None:
            return None
        return f"Result {index} should be {shorten(expected[index])} and is {shorten(actual[index])}."
    return None if _same(expected, actual) else f"Expected {shorten(expected)}, found {shorten(actual)}."


def _same(expected: Any, actual: Any) -> bool:
    try:
        return hasattr(expected, "dtype") == hasattr(actual, "dtype") and bool(expected == actual)
    except ValueError:  # arrays somewhere inside, which know no single truth
        return fingerprint(expected) == fingerprint(actual)
