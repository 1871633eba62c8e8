"""The JSON document is a promise to its readers."""

import json
import math
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograder.errors import UsageError
from autograder.records import Kind, Machine, Outcome, Report, Result, Verdict
from autograder.report import json_report

Make = Callable[..., Verdict]
MakeResult = Callable[..., Result]
MakeReport = Callable[..., Report]


def test_the_document_is_as_documented(make_verdict: Make, make_result: MakeResult, make_report: MakeReport) -> None:
    """Every field of schema 1 is there, also those that have their usual values."""
    check = make_verdict(measured={"speedup": 1.8, "pairs": 3, "curve": [1.0, 1.5]})
    data = json_report.encode(make_report(make_result(check), warnings=("é",)))
    assert {
        "schema": 1,
        "autograder": "0.1.0",
        "machine": {
            "cores": 2,
            "isolation": "namespaces",
            "clock": "corrected",
            "system": "Linux",
            "python": "3.11.7",
            "memory_mb": 4096,
            "load": 0.25,
            "warnings": ["é"],
        },
        "results": [
            {
                "student": "alice",
                "exercise": "race",
                "path": "submitted/alice/race.py",
                "score": 2.0,
                "points": 2.0,
                "seconds": 1.25,
                "checks": [
                    {
                        "name": "test_passed",
                        "title": "Promise of passed.",
                        "kind": "correctness",
                        "outcome": "passed",
                        "score": 2.0,
                        "points": 2.0,
                        "message": "",
                        "seconds": 0.0,
                        "hidden": False,
                        "measured": {"speedup": 1.8, "pairs": 3, "curve": [1.0, 1.5]},
                    }
                ],
            }
        ],
    } == json.loads(data)
    assert list(json.loads(data)) == ["schema", "autograder", "machine", "results"]
    assert data.endswith(b"}\n")


def test_what_json_cannot_hold_is_written_as_text(
    make_verdict: Make, make_result: MakeResult, make_report: MakeReport
) -> None:
    """A submission cannot make its own report unwritable, nor unreadable."""
    measured = {
        "nan": math.nan,
        "inf": -math.inf,
        "big": 2**70,
        "list": [1.0, math.nan],
        "text": "\udc80\x00",
    }
    report = make_report(make_result(make_verdict(Outcome.FAILED, "\ud800", measured=measured)))
    check = json_report.decode(json_report.encode(report)).results[0].checks[0]
    assert r"\ud800" == check.message
    assert {
        "nan": "nan",
        "inf": "-inf",
        "big": str(2**70),
        "list": "[1.0, nan]",
        "text": "\\udc80\x00",
    } == check.measured


TEXT = st.text()
FIGURE = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
MARK = st.floats(0, 10)
VERDICTS = st.builds(
    Verdict,
    name=TEXT,
    title=TEXT,
    kind=st.sampled_from(Kind),
    outcome=st.sampled_from(Outcome),
    score=MARK,
    points=MARK,
    message=TEXT,
    seconds=MARK,
    hidden=st.booleans(),
    measured=st.dictionaries(TEXT, FIGURE | st.lists(MARK, max_size=3), max_size=3),
)
RESULTS = st.builds(
    Result,
    student=TEXT,
    exercise=TEXT,
    path=TEXT,
    score=MARK,
    points=MARK,
    seconds=MARK,
    checks=st.lists(VERDICTS, max_size=2).map(tuple),
)
MACHINES = st.builds(
    Machine,
    cores=st.integers(1, 999),
    isolation=TEXT,
    clock=TEXT,
    system=TEXT,
    python=TEXT,
    memory_mb=st.integers(0, 2**40),
    load=MARK,
    warnings=st.lists(TEXT, max_size=2).map(tuple),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.builds(Report, autograder=TEXT, machine=MACHINES, results=st.lists(RESULTS, max_size=2).map(tuple)))
def test_what_is_written_is_read_back_the_same(report: Report) -> None:
    """Text of any kind and figures of any size survive."""
    assert report == json_report.decode(json_report.encode(report))


def test_fields_of_a_later_version_are_passed_over(make_report: MakeReport) -> None:
    """Schema 1 may gain fields."""
    document = json.loads(json_report.encode(make_report()))
    document["new"] = document["machine"]["new"] = 1
    assert make_report() == json_report.decode(json.dumps(document).encode())


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not a report"),
        (b"[]", "not a report"),
        (b"{}", "schema"),
        (b'{"schema": 1}', "autograder"),
        (b'{"schema": 2, "other": 1}', "schema 2; this version reads schema 1"),
        (b'{"schema": "1"}', "not a report"),
        (b'{"schema": 1', "not a report"),
        (b"\xff\xfe", "not a report"),
        (b'{"schema": 1, "autograder": "\xff"}', "not a report"),
    ],
)
def test_what_is_no_report_is_refused_in_one_line(data: bytes, why: str) -> None:
    """The reason is told."""
    with pytest.raises(UsageError, match=why) as error:
        json_report.decode(data)
    assert "\n" not in str(error.value)
