"""Timelines of a check's calls: in the verdict where they are asked for, and of no weight in it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

import autograder
from autograder.catalog import Course, Submission
from autograder.checks.engine import grade
from autograder.checks.recording import MOST_CALLS, Recording
from autograder.checks.tasks import Sandboxes, Task
from autograder.errors import SandboxError
from autograder.records import Outcome, Timeline
from autograder.records.timeline import CallTimeline, Role
from autograder.sandbox import Ending
from tests.fakes import Reply

if TYPE_CHECKING:
    from tests.checks.conftest import Judge

CHECKS = """
@pytest.mark.points(1)
def test_first(submission, driver):
    "First."
    assert 4 == submission.double(2)
    driver.twice(submission.double, [1] * 100, n=3)

@pytest.mark.points(1)
@pytest.mark.needs("test_first")
def test_second(submission):
    "Second."
    assert 4 == submission.double(2)
"""


def _labels(timeline: Timeline | msgspec.UnsetType) -> list[str]:
    return [call.label for call in timeline.calls] if isinstance(timeline, Timeline) else []


def test_without_a_wish_nothing_is_recorded(judge: "Judge") -> None:
    """Recording costs time: verdicts have no timeline unless somebody wants it."""
    result = judge(CHECKS, {"double": lambda n: 2 * n, "driver.twice": None})
    assert [msgspec.UNSET] * 2 == [verdict.timeline for verdict in result.checks]


def test_each_check_has_its_own_calls(judge: "Judge") -> None:
    """In order, as they would be written, large arguments cut short; the caller is in each."""
    result = judge(CHECKS, {"double": lambda n: 2 * n, "driver.twice": Reply(seconds=0.2)}, timelines=True)
    first, second = (verdict.timeline for verdict in result.checks)
    assert ["tiny.double(2)", "driver.twice(tiny.double, [1, 1, 1, 1, 1, 1, ...], n=3)"] == _labels(first)
    assert ["tiny.double(2)"] == _labels(second)
    assert isinstance(first, Timeline)
    assert [0.01, 0.2] == [call.seconds for call in first.calls]
    assert [Role.CALLER] * 2 == [call.rows[0].role for call in first.calls]


def test_a_failed_check_shows_its_calls_and_a_skipped_one_has_none(judge: "Judge") -> None:
    """The call that failed is the one that people want to see, also where it did not come to its end."""
    failed, skipped = judge(CHECKS, {"double": 5}, timelines=True).checks
    assert ["tiny.double(2)"] == _labels(failed.timeline)
    assert (Outcome.SKIPPED, msgspec.UNSET) == (skipped.outcome, skipped.timeline)
    late, _ = judge(CHECKS, {"double": Reply(ending=Ending.TIMEOUT)}, timelines=True).checks
    assert (Outcome.TIMEOUT, ["tiny.double(2)"]) == (late.outcome, _labels(late.timeline))


def test_a_second_try_begins_anew(judge: "Judge") -> None:
    """After a fault of the sandbox the check runs again, and only that run is told."""
    answers = iter([4, SandboxError("gone")])
    first = {"double": lambda _: next(answers)}
    checks = CHECKS.replace("driver.twice(submission.double, [1] * 100, n=3)", "assert 6 == submission.double(3)")
    verdict, _ = judge(checks, first, {"double": lambda n: 2 * n}, timelines=True).checks
    assert (Outcome.PASSED, ["tiny.double(2)", "tiny.double(3)"]) == (verdict.outcome, _labels(verdict.timeline))


@pytest.mark.parametrize(
    "timeline", [None, 42, {"marks": [["x"]]}, {"ranks": [7], "marks": [[0, "send", 8, 0.0, 1e9]]}]
)
def test_what_is_told_from_inside_decides_nothing(judge: "Judge", timeline: object) -> None:
    """A value with marks in it, or with what should be marks, is the same value to the check."""
    checks = """
@pytest.mark.points(1)
def test_it(driver):
    "It works."
    assert 7 == driver.run()["value"]
"""
    (verdict,) = judge(checks, {"driver.run": {"value": 7, "timeline": timeline}}, timelines=True).checks
    assert (Outcome.PASSED, ["driver.run()"]) == (verdict.outcome, _labels(verdict.timeline))


def test_the_last_calls_are_kept() -> None:
    """How much is kept is bounded, and what was left out is counted; what was taken is gone."""
    recording = Recording()
    for number in range(MOST_CALLS + 3):
        recording.keep(CallTimeline(label=f"f({number})", seconds=0.0, rows=()))
    recording.keep(None)
    timeline = recording.take()
    assert isinstance(timeline, Timeline)
    assert ([f"f({number})" for number in range(3, MOST_CALLS + 3)], 3) == (_labels(timeline), timeline.calls_left_out)
    assert msgspec.UNSET is recording.take()


def test_the_ranks_of_ddp_tell_their_collectives(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the driver of exercise 08 tells has the form that is read: every rank, and what went over the network."""
    plain = [finder for finder in sys.meta_path if type(finder).__name__ != "AssertionRewritingHook"]
    monkeypatch.setattr(sys, "meta_path", plain)
    folder = Course.find(Path(autograder.__file__).parent).get("ddp", "solutions")
    submission = Submission("", "ddp", folder.reference, folder.reference.read_text())
    task = Task.of(submission, folder, ["test_every_rank_gets_rank_0s_parameters"])
    with Sandboxes() as sandboxes:
        (result,) = grade([task], sandboxes, timelines=True)
    (verdict,) = result.checks
    assert isinstance(verdict.timeline, Timeline), verdict.message
    call = verdict.timeline.calls[-1]
    assert {None, 0, 1, 2} == {row.rank for row in call.rows}
    assert {(0, "broadcast", True), (1, "broadcast", False), (2, "broadcast", False)} == {
        (mark.rank, mark.name, mark.bytes > 0) for mark in call.marks
    }
    assert all(0.0 < mark.start < mark.end < call.seconds for mark in call.marks)
