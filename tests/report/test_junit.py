"""JUnit XML for CI systems."""

from collections.abc import Callable
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograder.records import Outcome, Report, Result, Verdict
from autograder.report import junit

Make = Callable[..., Verdict]
MakeResult = Callable[..., Result]
MakeReport = Callable[..., Report]


def test_a_submission_is_a_suite_and_a_check_a_case(
    make_verdict: Make, make_result: MakeResult, make_report: MakeReport
) -> None:
    """Names, file and marks are where CI systems look for them."""
    report = make_report(make_result(make_verdict(seconds=0.5)), make_result(make_verdict(), student="bob"))
    root = ElementTree.fromstring(junit.encode(report))
    assert ["alice/race", "bob/race"] == [suite.get("name") for suite in root]
    suite = root[0]
    properties = {item.get("name"): item.get("value") for item in suite.iter("property")}
    assert {"score": "2", "points": "2", "path": "submitted/alice/race.py"} == properties
    case = suite.find("testcase")
    assert case is not None
    assert {
        "classname": "alice.race",
        "name": "test_passed",
        "file": "submitted/alice/race.py",
        "time": "0.500",
    } == case.attrib
    assert "Promise of passed.\ncorrectness, 2 of 2 points" == case.findtext("system-out")


@pytest.mark.parametrize(
    ("outcome", "tag"),
    [
        (Outcome.PASSED, None),
        (Outcome.FAILED, "failure"),
        (Outcome.TIMEOUT, "failure"),
        (Outcome.CRASHED, "failure"),
        (Outcome.SKIPPED, "skipped"),
        (Outcome.INCONCLUSIVE, "skipped"),
        (Outcome.ERROR, "error"),
    ],
)
def test_an_outcome_becomes_what_ci_systems_know(
    make_verdict: Make, make_result: MakeResult, make_report: MakeReport, outcome: Outcome, tag: str | None
) -> None:
    """`error` is the grader's fault and nothing else; what nobody could judge is skipped, not failed."""
    root = ElementTree.fromstring(junit.encode(make_report(make_result(make_verdict(outcome, "why\n  so")))))
    case = root.find("testsuite/testcase")
    assert case is not None
    assert ([tag] if tag else []) == [item.tag for item in case if item.tag != "system-out"]
    if tag:
        assert "why\n  so" == case.findtext(tag)
        assert "Promise of" in case[0].get("message", "")


def test_counts_add_up(make_verdict: Make, make_result: MakeResult, make_report: MakeReport) -> None:
    """Suites and the whole count the same cases."""
    results = [make_result(*(make_verdict(outcome) for outcome in Outcome)), make_result(make_verdict())]
    root = ElementTree.fromstring(junit.encode(make_report(*results)))
    for element in (root, *root):
        cases = list(element.iter("testcase"))
        expected = {
            "tests": str(len(cases)),
            "failures": str(len(list(element.iter("failure")))),
            "errors": str(len(list(element.iter("error")))),
            "skipped": str(len(list(element.iter("skipped")))),
        }
        assert expected == {key: element.get(key) for key in expected}
    assert "2.500" == root.get("time")


def test_an_empty_report_is_valid(make_report: MakeReport) -> None:
    """Nothing graded is a document as well."""
    assert 0 == len(ElementTree.fromstring(junit.encode(make_report())))


ANY = st.text(st.characters(categories=None), max_size=30) | st.sampled_from(["\ud800", "\x00]]>", "\ufffe\x1b[31m"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(ANY, ANY, ANY, st.sampled_from(Outcome))
def test_any_text_gives_valid_xml(
    make_verdict: Make,
    make_result: MakeResult,
    make_report: MakeReport,
    student: str,
    title: str,
    message: str,
    outcome: Outcome,
) -> None:
    """What XML cannot hold is left out, everything else is there."""
    check = make_verdict(outcome, message, title=title, measured={"seen": message})
    root = ElementTree.fromstring(junit.encode(make_report(make_result(check, student=student))))
    (suite,) = root
    kept = "".join(
        c for c in student if c in "\t\n\r" or (c >= " " and c not in "\ufffe\uffff" and not "\ud800" <= c <= "\udfff")
    )
    assert f"{kept}/race" == suite.get("name")
