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
_Pair = tuple[Observation, Observation]


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
        serial: Callable[[Any], float] | None = None,
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
            serial: Seconds that one worker needs for an input, for work that waits and so uses no CPU time; where it is not
                given, the CPU time of the yardstick's processes.
            curve: ``student`` and ``yardstick`` take a number of workers as a further argument. Where evidence is asked
                for, they are tried with 1 to 16 workers, and their speedups are drawn.
        """
        if curve and self._in_depth:
            with contextlib.suppress(SubmissionFailure):  # it decides nothing
                self._draw_curve(case(random.Random(f"{self._seed} curve")), student, yardstick)
        method = StartMethod.FORK

        def one_pair(problem: Any, ours_first: bool) -> _Pair:
            nonlocal method
            ours, theirs = _in_turn(lambda: _measure(yardstick, problem, method), lambda: student(problem), ours_first)
            self._verify(ours, theirs, workers, compare or _equal)
            if theirs.start_method is not method:
                method = theirs.start_method
                ours = _measure(yardstick, problem, method)
            return ours, theirs

        def record(estimate: Estimate, ours: Observation, theirs: Observation, problem: Any) -> None:
            # What the yardstick's processes computed, one after another, is the serial time.
            one_worker = ours.cpu_seconds if serial is None else serial(problem)
            self._measured.update(
                efficiency=round(estimate.efficiency, 3),
                needed=needed,
                speedup=round(one_worker / max(theirs.corrected_seconds, 1e-6), 2),
                attainable=round(one_worker / max(ours.corrected_seconds, 1e-6), 2),
                **self._curve,
            )

        estimate, corrected = self._pairs(case, one_pair, record, lambda seconds: seconds, needed)
        seen = (
            f"{self._measured['speedup']:.2f} times as fast as one worker, where this machine could give "
            f"{self._measured['attainable']:.2f}: an efficiency of {estimate.efficiency:.0%} "
            f"({estimate.low:.0%} to {estimate.high:.0%} after {estimate.pairs} pairs of runs), {needed:.0%} needed."
        )
        part = f" From {FLOOR * needed:.0%} up a part of the points is earned." if estimate.credit > 0 else ""
        _decide(
            estimate,
            corrected,
            seen,
            f"{part}\nWhere did the rest of the time go? Look at which worker ended last, "
            "who waited for whom, and what starting and talking to the workers cost.",
        )

    def overhead(
        self,
        *,
        case: Callable[[random.Random], Any],
        student: Program,
        loop: Program,
        times: float,
        plus: float,
        hint: str,
        compare: Compare | None = None,
    ) -> None:
        """Judge the time: at most ``times`` that of a plain loop and ``plus`` seconds. Above, a part of the points as ever.

        Args:
            case: Makes a fresh input for each pair.
            student: Runs the submission on it.
            loop: Runs, on the same input, the plain loop; its value is right.
            times: What the submission may take, as a multiple of the loop's time...
            plus: ...and so many seconds more.
            hint: What to think about where it takes longer.
            compare: Says what is wrong with the student's value, if anything; equality where it is not given.
        """

        def one_pair(problem: Any, ours_first: bool) -> _Pair:
            ours, theirs = _in_turn(lambda: _measure(loop, problem), lambda: student(problem), ours_first)
            self._verify(ours, theirs, None, compare or _equal)
            return ours, theirs

        def allowed(seconds: float) -> float:
            return times * seconds + plus

        def record(_: Estimate, ours: Observation, theirs: Observation, __: Any) -> None:
            self._measured.update(
                milliseconds=round(theirs.corrected_seconds * 1e3, 2),
                loop=round(ours.corrected_seconds * 1e3, 2),
                allowed=round(allowed(ours.corrected_seconds) * 1e3, 2),
            )

        estimate, corrected = self._pairs(case, one_pair, record, allowed, 1.0)
        seen = (
            f"{self._measured['milliseconds']:.1f} ms, where a plain loop took {self._measured['loop']:.1f} ms and "
            f"{self._measured['allowed']:.1f} ms were allowed ({times:g} times the loop and {plus * 1e3:g} ms): "
            f"{1 / estimate.efficiency:.2f} times what is allowed ({1 / estimate.high:.2f} to {1 / estimate.low:.2f} after "
            f"{estimate.pairs} pairs of runs)."
        )
        _decide(estimate, corrected, seen, f"\n{hint}")

    def _pairs(
        self,
        case: Callable[[random.Random], Any],
        one_pair: Callable[[Any, bool], _Pair],
        record: Callable[[Estimate, Observation, Observation, Any], None],
        allowed: Callable[[float], float],
        needed: float,
    ) -> tuple[Estimate, bool]:
        """Run pairs until it is clear whether what is allowed over what the student took reaches ``needed``.

        Gives the estimate, and whether the times are those of the corrected clock.
        """
        ratios: list[float] = []
        others: list[float] = []
        for pair in range(MOST_PAIRS):
            problem = case(random.Random(f"{self._seed} {pair}"))
            # In turn first and second, so that a machine which slows down does not favour one.
            ours, theirs = one_pair(problem, pair % 2 == 0)
            ratios.append(allowed(ours.corrected_seconds) / max(theirs.corrected_seconds, 1e-6))
            others.append(allowed(ours.corrected_at_most) / max(theirs.corrected_at_most, 1e-6))
            estimate = judge(ratios, needed, others)
            record(estimate, ours, theirs, problem)
            self._measured.update(
                interval=[round(estimate.low, 3), round(estimate.high, 3)],
                pairs=estimate.pairs,
                credit=round(estimate.credit, 3),
                clock="corrected" if theirs.corrected else "wall",
            )
            if estimate.decision is not Decision.OPEN:
                break
        return estimate, theirs.corrected

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


def _in_turn(one: Callable[[], Observation], other: Callable[[], Observation], one_first: bool) -> _Pair:
    """What both gave, the one first or second."""
    if one_first:
        return one(), other()
    second = other()
    return one(), second


def _decide(estimate: Estimate, corrected: bool, seen: str, advice: str) -> None:
    """Pass, fail with ``advice``, or come to no verdict. ``seen`` goes on after "It was"; it is told in each case."""
    if not corrected and psutil.getloadavg()[0] > 1.5 * (psutil.cpu_count() or 1):
        inconclusive(f"{seen}\nOther work keeps this machine busy, and it has no counters that could correct for it.")
    if estimate.decision is Decision.OPEN:
        inconclusive(f"It was {seen}\nThat is too uncertain for a verdict.")
    if estimate.credit < 1.0:
        fail(f"It was {seen}{advice}", credit=estimate.credit)


def _measure(yardstick: Program, *arguments: Any) -> Observation:
    """The yardstick's run. It is ours: where it fails, no student has."""
    try:
        ours = yardstick(*arguments)
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
