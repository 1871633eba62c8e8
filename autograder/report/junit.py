"""JUnit XML as GitLab, Jenkins and GitHub's reporters read it: a suite per submission, a case per check."""

import re
from collections import Counter
from collections.abc import Iterable
from xml.etree import ElementTree

from autograder.records import Outcome, Report, Result, Verdict
from autograder.report.looks import LOOKS, measured, number

#: What a CI system shows for an outcome. ``error`` is kept for the grader's own fault.
_TAGS = {
    Outcome.FAILED: "failure",
    Outcome.TIMEOUT: "failure",
    Outcome.CRASHED: "failure",
    Outcome.SKIPPED: "skipped",
    Outcome.INCONCLUSIVE: "skipped",
    Outcome.ERROR: "error",
}

#: Characters that no XML 1.0 document can hold, escaped or not.
_INVALID = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def encode(report: Report) -> bytes:
    """`report` as JUnit XML in UTF-8. Characters that XML cannot hold are left out."""
    every = [check for result in report.results for check in result.checks]
    seconds = sum(result.seconds for result in report.results)
    root = ElementTree.Element("testsuites", {"name": "autograder", **_counts(every, seconds)})
    root.extend(_suite(result) for result in report.results)
    ElementTree.indent(root)
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _suite(result: Result) -> ElementTree.Element:
    name = _valid(f"{result.student}/{result.exercise}")
    suite = ElementTree.Element("testsuite", {"name": name, **_counts(result.checks, result.seconds)})
    properties = ElementTree.SubElement(suite, "properties")
    for key, value in (
        ("score", number(result.score)),
        ("points", number(result.points)),
        ("path", result.path),
    ):
        ElementTree.SubElement(properties, "property", {"name": key, "value": _valid(value)})
    suite.extend(_case(check, result) for check in result.checks)
    return suite


def _case(check: Verdict, result: Result) -> ElementTree.Element:
    attributes = {
        "classname": f"{result.student}.{result.exercise}",
        "name": check.name,
        "file": result.path,
        "time": f"{check.seconds:.3f}",
    }
    case = ElementTree.Element("testcase", {key: _valid(value) for key, value in attributes.items()})
    look = LOOKS[check.outcome]
    if tag := _TAGS.get(check.outcome):
        summary = f"{look.word}: {check.title}"
        attributes = (
            {"message": _valid(summary)} if tag == "skipped" else {"type": look.word, "message": _valid(summary)}
        )
        ElementTree.SubElement(case, tag, attributes).text = _valid(check.message)
    lines = [
        check.title,
        f"{check.kind}, {number(check.score)} of {number(check.points)} points",
        measured(check, curves=True),
    ]
    ElementTree.SubElement(case, "system-out").text = _valid("\n".join(filter(None, lines)))
    return case


def _counts(checks: Iterable[Verdict], seconds: float) -> dict[str, str]:
    tags = Counter(_TAGS.get(check.outcome, "passed") for check in checks)
    return {
        "tests": str(tags.total()),
        "failures": str(tags["failure"]),
        "errors": str(tags["error"]),
        "skipped": str(tags["skipped"]),
        "time": f"{seconds:.3f}",
    }


def _valid(text: str) -> str:
    return _INVALID.sub("", text)
