"""The speedup check, with times that a fake sandbox makes up: what wins, what loses, and when it stops."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import cycle
from typing import Any

import numpy as np
import pytest

from autograder.checks.asserts import CheckFailedError
from autograder.checks.speedup import Speedup
from autograder.errors import SandboxError, SubmissionError
from autograder.measure.observation import Observation, SeenProcess, StartMethod
from autograder.measure.sequential import FEWEST_PAIRS, MOST_PAIRS
from autograder.records import Outcome, Verdict
from autograder.sandbox import Ending
from autograder.sandbox.call import Leftovers
from tests.fakes import FakeSandbox, Reply

Ask = Callable[..., Verdict]

CHECK = """\
speedup(
    case=lambda rng: [rng.randrange(10**6) for _ in range(3)],
    student=lambda case: submission.observe("work", case),
    yardstick=lambda case, method: driver.observe("yardstick", case),
    needed=0.75,
    workers=2,
)
"""


def _run(verdict: Ask, student: Any, yardstick: Any = None, check: str = CHECK) -> tuple[Verdict, FakeSandbox]:
    """The verdict on ``student``, which like ``yardstick`` makes a reply from the case."""
    ours = yardstick or (lambda case: Reply(_right(case), seconds=1.0, workers=2))
    fake = FakeSandbox({"work": student, "driver.yardstick": ours})
    return verdict(check, fake, fixtures="submission, driver, speedup"), fake


def _right(case: list[int]) -> list[int]:
    return [2 * item for item in case]


def _taking(*seconds: float, workers: int = 2, left: int = 0) -> Callable[[list[int]], Reply]:
    """A student whose results are right, with these times in turn."""
    times: Iterator[float] = cycle(seconds)
    return lambda case: Reply(_right(case), seconds=next(times), workers=workers, left=left)


@pytest.mark.parametrize(
    ("seconds", "outcome"),
    [(0.9, Outcome.PASSED), (1.0, Outcome.PASSED), (1.1, Outcome.PASSED), (1.6, Outcome.FAILED), (9.0, Outcome.FAILED)],
)
def test_the_ratio_of_times_decides(verdict: Ask, seconds: float, outcome: Outcome) -> None:
    """A student's time against the yardstick's is the efficiency, and that decides."""
    seen, _ = _run(verdict, _taking(seconds))
    assert outcome is seen.outcome, seen.message
    assert round(1 / seconds, 3) == seen.measured["efficiency"]


def test_only_ratios_count(verdict: Ask) -> None:
    """A machine on which everything takes a hundred times as long gives the same verdict."""
    slow = _run(verdict, _taking(160.0), lambda case: Reply(_right(case), seconds=100.0))[0]
    quick = _run(verdict, _taking(0.016), lambda case: Reply(_right(case), seconds=0.01))[0]
    assert (Outcome.FAILED, Outcome.FAILED) == (slow.outcome, quick.outcome)
    assert slow.measured["interval"] == pytest.approx(quick.measured["interval"])


def test_what_was_measured_is_told(verdict: Ask) -> None:
    """Speedup, what was attainable, efficiency, interval and number of pairs stand in the verdict and in the message."""
    seen, _ = _run(verdict, _taking(2.0))
    assert {"efficiency": 0.5, "needed": 0.75, "pairs": 3, "clock": "corrected"}.items() <= seen.measured.items()
    assert (0.5, 1.0) == (seen.measured["speedup"], seen.measured["attainable"])
    low, high = seen.measured["interval"]  # type: ignore[misc]
    assert low < 0.5 < high < 0.75
    assert "0.50 times as fast as one worker, where this machine could give 1.00: an efficiency of 50%" in seen.message
    assert "75% needed" in seen.message


def test_it_stops_as_soon_as_it_is_clear(verdict: Ask) -> None:
    """A clear case takes the fewest pairs."""
    for seconds in (1.0, 9.0):
        seen, fake = _run(verdict, _taking(seconds))
        assert (FEWEST_PAIRS, 2 * FEWEST_PAIRS) == (seen.measured["pairs"], len(fake.calls))


def test_it_goes_on_while_it_is_not(verdict: Ask) -> None:
    """A case near the threshold takes more pairs; one on the ramp takes all, and earns a part of the points."""
    seen, _ = _run(verdict, _taking(1.25))
    assert FEWEST_PAIRS < int(seen.measured["pairs"]) < MOST_PAIRS  # type: ignore[arg-type]
    assert Outcome.PASSED is seen.outcome
    seen, _ = _run(verdict, _taking(1 / 0.72))
    assert (Outcome.FAILED, 1.2, MOST_PAIRS) == (seen.outcome, seen.score, seen.measured["pairs"])
    assert "From 68% up a part of the points is earned" in seen.message


def test_wild_times_give_no_verdict(verdict: Ask) -> None:
    """Times so uncertain that all points and none are possible are inconclusive at the cap, after a second try."""
    seen, fake = _run(verdict, _taking(0.5 / 0.71, 2 / 0.71))
    assert (Outcome.INCONCLUSIVE, 0.0, MOST_PAIRS) == (seen.outcome, seen.score, seen.measured["pairs"])
    assert 2 * 2 * MOST_PAIRS == len(fake.calls)
    assert "too uncertain for a verdict" in seen.message


def test_the_order_alternates(verdict: Ask) -> None:
    """In turn one and the other goes first, on the same input, so that a machine that slows down favours none."""
    _, fake = _run(verdict, _taking(1.0))
    assert ["yardstick", "work", "work", "yardstick", "yardstick", "work"] == fake.called()
    cases = [call.arguments[0] for call in fake.calls]
    assert cases[0::2] == cases[1::2]


def test_every_pair_has_a_fresh_case(verdict: Ask) -> None:
    """No input comes twice: what is remembered from one call is of no use in the next."""
    _, fake = _run(verdict, _taking(1 / 0.75))
    cases = {tuple(call.arguments[0]) for call in fake.calls}
    assert MOST_PAIRS == len(cases), "a second try meets the same cases again, in new processes"


def test_the_cases_are_the_same_for_everybody(judge: Any) -> None:
    """Two students of a run get the same inputs, which the next run does not have: equal work, none done beforehand."""
    lines = "".join(f"    {line}\n" for line in CHECK.splitlines())
    checks = f'@pytest.mark.points(2)\ndef test_it(submission, driver, speedup):\n    """It works."""\n{lines}'
    fake = FakeSandbox({"work": _taking(1.0), "driver.yardstick": lambda case: Reply(_right(case), seconds=1.0)})
    judge(checks, fake, students=("alice", "bob"))
    cases = [call.arguments for call in fake.calls]
    assert cases[: len(cases) // 2] == cases[len(cases) // 2 :]
    judge(checks, fake, students=("alice",))
    assert cases[0] != fake.calls[len(cases)].arguments


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda case: _right(case)[:-1], "Expected 3 results, found 2."),
        (lambda case: [*_right(case)[:-1], 7], "Result 2 should be"),
        (lambda _: None, "found None"),
        (lambda case: tuple(_right(case)), "found ("),
        (lambda case: np.array(_right(case)), "found array("),
        (lambda case: [np.arange(3) for _ in case], "Result 0 should be"),
        (lambda case: [[] for _ in case], "Result 0 should be"),
    ],
)
def test_a_wrong_result_is_never_quick(verdict: Ask, wrong: Callable[[list[int]], Any], told: str) -> None:
    """However quick, a result that is not the yardstick's loses at once, and the text says what is wrong with it."""
    seen, fake = _run(verdict, lambda case: Reply(wrong(case), seconds=0.001))
    assert (Outcome.FAILED, 2) == (seen.outcome, len(fake.calls)), seen.message
    assert "A speedup counts only where the result is right, and this one is not." in seen.message
    assert told in seen.message


def test_every_result_is_looked_at(verdict: Ask) -> None:
    """Nor does it help to be right at first: in every pair the result must be."""
    calls: list[int] = []

    def later(case: list[int]) -> Reply:
        calls.append(1)
        return Reply(_right(case) if len(calls) < 3 else [0, 0, 0], seconds=1.0)

    seen, _ = _run(verdict, later)
    assert Outcome.FAILED is seen.outcome


def test_arrays_are_compared_by_what_is_in_them(verdict: Ask) -> None:
    """Results that are arrays are right when they are equal."""
    same = _run(
        verdict, lambda case: Reply(np.array(case), seconds=1.0), lambda case: Reply(np.array(case), seconds=1.0)
    )
    assert Outcome.PASSED is same[0].outcome, same[0].message
    other = _run(verdict, lambda case: Reply(np.array(case) + 1), lambda case: Reply(np.array(case)))
    assert Outcome.FAILED is other[0].outcome


def test_another_comparison_can_be_asked_for(verdict: Ask) -> None:
    """Where equality is not what is asked for, the check says what is."""
    lenient = CHECK.replace(
        "workers=2,", 'compare=lambda ours, theirs: None if sorted(theirs) == sorted(ours) else "Not so.",'
    )
    seen, _ = _run(verdict, lambda case: Reply(_right(case)[::-1], seconds=1.0), check=lenient)
    assert Outcome.PASSED is seen.outcome
    seen, _ = _run(verdict, lambda _: Reply([1], seconds=1.0), check=lenient)
    assert "Not so." in seen.message


def test_work_that_goes_on_after_the_return_loses(verdict: Ask) -> None:
    """Processes that are left behind may still be at work, and their time has not been measured."""
    seen, _ = _run(verdict, _taking(0.1, left=1))
    assert Outcome.FAILED is seen.outcome
    assert "When the call had returned there were still: 1 process" in seen.message


def test_more_workers_than_asked_for_lose(verdict: Ask) -> None:
    """Who uses more processes than the exercise gives loses, however quick it is."""
    seen, _ = _run(verdict, _taking(0.1, workers=3))
    assert Outcome.FAILED is seen.outcome
    assert "3 processes were alive at once, where 2 workers were asked for." == seen.message
    unlimited = CHECK.replace("workers=2,", "")
    assert Outcome.PASSED is _run(verdict, _taking(0.1, workers=3), check=unlimited)[0].outcome


def test_an_exception_is_the_students(verdict: Ask) -> None:
    """What the student's function raises fails the check with its traceback."""

    def work(_: list[int]) -> None:
        raise ValueError("a reason")

    seen, _ = _run(verdict, work)
    assert Outcome.FAILED is seen.outcome
    assert "tiny.py raised ValueError: a reason" in seen.message


def test_a_timeout_is_the_students(verdict: Ask) -> None:
    """A call that takes too long is a timeout."""
    seen, _ = _run(verdict, Reply(ending=Ending.TIMEOUT, message="The call took longer than 2 s."))
    assert Outcome.TIMEOUT is seen.outcome


def test_a_yardstick_that_fails_is_the_graders_fault(verdict: Ask) -> None:
    """The student is not charged for an exercise whose own yardstick breaks."""

    def broken(_: list[int]) -> None:
        raise ValueError("a fault of ours")

    seen, _ = _run(verdict, _taking(1.0), broken)
    assert Outcome.ERROR is seen.outcome
    assert "a fault of ours" in seen.message
    seen, _ = _run(verdict, _taking(1.0), Reply(ending=Ending.CRASHED, message="Killed."))
    assert Outcome.ERROR is seen.outcome


def test_a_yardstick_out_of_time_means_that_the_machine_is_busy(verdict: Ask) -> None:
    """Where even the yardstick does not end in time, this machine allows no verdict."""
    seen, fake = _run(verdict, _taking(1.0), Reply(ending=Ending.TIMEOUT, message="The call took longer than 2 s."))
    assert Outcome.INCONCLUSIVE is seen.outcome
    assert ["yardstick"] * 2 == fake.called(), "tried once more"


def test_without_counters_a_busy_machine_allows_no_verdict(verdict: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is only the wall clock, a slow student on a busy machine is not judged; on a quiet one it is."""
    from autograder.checks import speedup
    from autograder.measure import observation

    monkeypatch.setattr(observation, "LINUX", False)
    for load, outcome in ((99.0, Outcome.INCONCLUSIVE), (0.1, Outcome.FAILED)):
        monkeypatch.setattr(speedup.psutil, "getloadavg", lambda load=load: (load,) * 3)
        monkeypatch.setattr(speedup.psutil, "cpu_count", lambda: 2)
        seen, _ = _run(verdict, _taking(9.0))
        assert outcome is seen.outcome
    assert "wall" == seen.measured["clock"]


def test_a_fault_of_the_sandbox_begins_anew(verdict: Ask) -> None:
    """When the sandbox fails in the middle, the whole measurement is made again in a new one."""
    calls: list[int] = []

    def failing(case: list[int]) -> Reply | SandboxError:
        calls.append(1)
        return SandboxError("gone") if len(calls) == 2 else Reply(_right(case), seconds=9.0)

    yardstick = {"driver.yardstick": lambda case: Reply(_right(case), seconds=1.0)}
    fakes = [FakeSandbox({"work": work, **yardstick}) for work in (failing, _taking(1.0))]
    seen = verdict(CHECK, *fakes, fixtures="submission, driver, speedup")
    assert (Outcome.PASSED, 3, 1.0) == (seen.outcome, seen.measured["pairs"], seen.measured["efficiency"]), seen.message


# -- without a sandbox: observations made up ----------------------------------------------------------------


def _seen(seconds: float, method: StartMethod = StartMethod.FORK) -> Observation:
    """A run with one worker, started by ``method``, whose value is right."""
    worker = SeenProcess(pid=3, ppid=2, pgid=2, cpu_seconds=1.0, threads=1, start_method=method)
    nothing = Leftovers()
    return Observation(None, seconds, seconds, seconds, 1.0, True, 2, (worker,), 1, 0, nothing, "", "", 0, "right")


def test_the_yardstick_starts_processes_as_the_submission_does() -> None:
    """In every pair: who spawns, or does so now and then, is compared with what spawns."""
    methods = cycle([StartMethod.SPAWN, StartMethod.FORK, StartMethod.FORK])
    taking = {StartMethod.SPAWN: 2.0, StartMethod.FORK: 1.0}
    measured: dict[str, Any] = {}

    def student(_: object) -> Observation:
        method = next(methods)
        return _seen(taking[method], method)

    Speedup(measured, "seed")(
        case=lambda rng: rng.random(),
        student=student,
        yardstick=lambda _, method: _seen(taking[method], method),
        needed=0.75,
    )
    assert (1.0, FEWEST_PAIRS) == (measured["efficiency"], measured["pairs"])


@pytest.mark.parametrize("in_depth", [False, True])
def test_the_curve_is_measured_where_evidence_is_asked_for(in_depth: bool) -> None:
    """With 1 to 16 workers; it needs runs of its own, so not in every grading."""
    measured: dict[str, Any] = {}
    Speedup(measured, "seed", in_depth)(
        case=lambda rng: rng.random(),
        student=lambda _, workers=4: _seen(1.0 / workers + 0.1),
        yardstick=lambda _, __, workers=4: _seen(1.0 / workers),
        needed=0.5,
        curve=True,
    )
    assert in_depth is ("speedups" in measured)
    if in_depth:
        assert [1, 2, 4, 8, 16] == measured["workers"]
        assert [0.91, 1.67, 2.86, 4.44, 6.15] == measured["speedups"]
        assert [1.0, 2.0, 4.0, 8.0, 16.0] == measured["attainables"]
        assert (1.0, 0.1, 9.51) == tuple(measured[name] for name in ("work_seconds", "span_seconds", "predicted_at_64"))


def test_a_program_that_fails_has_no_curve() -> None:
    """A curve decides nothing: where the submission raises with some number of workers, none is drawn."""
    measured: dict[str, Any] = {}

    def student(_: object, workers: int = 4) -> Observation:
        return replace(_seen(0.5), error=SubmissionError("ValueError", "16 are too many") if workers == 16 else None)

    Speedup(measured, "seed", True)(
        case=lambda rng: rng.random(), student=student, yardstick=lambda *_: _seen(0.5), needed=0.5, curve=True
    )
    assert "speedups" not in measured
    assert 1.0 == measured["efficiency"]


def test_work_that_waits_has_its_serial_time_told() -> None:
    """Sleep uses no CPU time, so the check says what one worker needs."""
    measured: dict[str, Any] = {}
    Speedup(measured, "seed")(
        case=lambda _: [0.5] * 4,
        student=lambda _: _seen(0.5),
        yardstick=lambda *_: _seen(0.4),
        needed=0.75,
        serial=sum,
    )
    assert (4.0, 5.0) == (measured["speedup"], measured["attainable"])


@pytest.mark.parametrize(("seconds", "credit"), [(0.019, 1.0), (0.024, 0.0)])
def test_an_overhead_is_judged_against_a_plain_loop(seconds: float, credit: float) -> None:
    """At most so many times the loop's time, and so many seconds more: here 1.5 x 10 ms + 5 ms = 20 ms."""
    measured: dict[str, Any] = {}

    def ask() -> None:
        Speedup(measured, "seed").overhead(
            case=lambda rng: rng.random(),
            student=lambda _: _seen(seconds),
            loop=lambda _: _seen(0.01),
            times=1.5,
            plus=0.005,
            hint="Think.",
        )

    if credit < 1:
        told = (
            r"It was 24.0 ms, where a plain loop took 10.0 ms and 20.0 ms were allowed \(1.5 times the loop and 5 ms\)"
        )
        with pytest.raises(CheckFailedError, match=told) as failed:
            ask()
        assert credit == failed.value.credit
    else:
        ask()
    assert (20.0, 10.0, 1000 * seconds) == tuple(measured[name] for name in ("allowed", "loop", "milliseconds"))
