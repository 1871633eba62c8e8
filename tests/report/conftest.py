"""Results to report."""

from collections.abc import Callable

import pytest

from autograder.records import Kind, Machine, Outcome, Report, Result, Verdict


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
