"""Results to report."""

from collections.abc import Callable

import pytest

from autograder.records import Kind, Machine, Outcome, Report, Result, Timeline, Verdict
from autograder.records.timeline import CallTimeline, Doing, Mark, Role, Row, Segment


@pytest.fixture
def make_verdict() -> Callable[..., Verdict]:
    """Makes a verdict; a passed one has all its two points."""

    def make(outcome: Outcome = Outcome.PASSED, message: str = "", **changes: object) -> Verdict:
        fields: dict[str, object] = {
            "name": f"test_{outcome}",
            "title": f"Promise of {outcome}.",
            "kind": Kind.CORRECTNESS,
            "score": 2.0 if outcome is Outcome.PASSED else 0.0,
            "points": 2.0,
        }
        return Verdict(outcome=outcome, message=message, **{**fields, **changes})  # type: ignore[arg-type]

    return make


@pytest.fixture
def make_result() -> Callable[..., Result]:
    """Makes the result of a student from verdicts."""

    def make(*checks: Verdict, student: str = "alice", exercise: str = "race") -> Result:
        return Result(
            student=student,
            exercise=exercise,
            path=f"submitted/{student}/{exercise}.py",
            score=sum(check.score for check in checks),
            points=sum(check.points for check in checks),
            seconds=1.25,
            checks=checks,
        )

    return make


@pytest.fixture
def make_report() -> Callable[..., Report]:
    """Makes a report from results."""

    def make(*results: Result, warnings: tuple[str, ...] = ()) -> Report:
        machine = Machine(
            cores=2,
            isolation="namespaces",
            clock="corrected",
            system="Linux",
            python="3.11.7",
            memory_mb=4096,
            load=0.25,
            warnings=warnings,
        )
        return Report(autograder="0.1.0", machine=machine, results=results)

    return make


@pytest.fixture
def make_row() -> Callable[..., Row]:
    """Makes the row of a thread that ran, waited for a core and was blocked, for as many milliseconds as are given."""

    def make(role: Role, pid: int, *spans: tuple[float, Doing], start: float = 0.0, **changes: object) -> Row:
        segments, end = [], start
        for ms, doing in spans:
            segments.append(Segment(round(end, 5), round(end + ms / 1000, 5), doing))
            end += ms / 1000
        fields: dict[str, object] = {
            "parent": 1 if role is Role.CALLER else 2,
            "thread": 0,
            "cpu_seconds": sum(ms for ms, doing in spans if doing is Doing.RUNNING) / 1000,
            "waiting_seconds": sum(ms for ms, doing in spans if doing is Doing.WAITING) / 1000,
            **changes,
        }
        return Row(role=role, pid=pid, start=start, end=round(end, 5), segments=tuple(segments), **fields)  # type: ignore[arg-type]

    return make


@pytest.fixture
def make_timeline(make_row: Callable[..., Row]) -> Callable[..., Timeline]:
    """Makes the timeline of a call of 400 ms with two ranks, one of which came late, and a thread that hardly ran."""
    running, waiting, blocked = Doing.RUNNING, Doing.WAITING, Doing.BLOCKED

    def make(label: str = "driver.train(2)", name: str = "all_reduce", **changes: object) -> Timeline:
        rows = (
            make_row(Role.CALLER, 2, (40, running), (360, blocked)),
            make_row(Role.WORKER, 3, (200, running), (100, blocked), start=0.05, rank=0),
            make_row(Role.WORKER, 3, (0.1, running), (99.9, blocked), start=0.1, rank=0, thread=1),
            make_row(Role.WORKER, 4, (100, waiting), (150, running), start=0.1, rank=1),
            make_row(Role.HELPER, 5, (20, running), (330, blocked), start=0.05),
            make_row(Role.WORKER, 6, (40, running), start=0.2),
        )
        marks = (
            Mark(rank=0, name=name, bytes=1500, start=0.25, end=0.35),
            Mark(rank=0, name=name, bytes=1500, start=0.3, end=0.36),
            Mark(rank=1, name=name, bytes=3000, start=0.34, end=0.35),
        )
        fields: dict[str, object] = {"label": label, "seconds": 0.4, "rows": rows, "marks": marks, **changes}
        return Timeline(calls=(CallTimeline(**fields),))  # type: ignore[arg-type]

    return make
