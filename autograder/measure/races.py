"""Judges what :mod:`autograder.measure.interleavings` reports from the sandbox. Runs in the grader, trusts nothing.

A race or a deadlock is told as a table of the student's own lines. That a case holds is believed only with evidence: the
canaries were told apart, the functions under test were seen running, more than one execution was tried, and
without its locks the same code broke.
"""

import ast
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby, zip_longest
from typing import Annotated, Any, Literal

import msgspec

#: A row of the table fits a terminal: this much for each thread.
_WIDTH = {1: 68, 2: 33, 3: 23}
#: A text is at most so many lines long, and a sentence so wide where it can be told in several lines.
_LONGEST, _WIDEST = 28, 110
#: Of a thread's lines in a row, so many at its start and at its end are shown: the first number that makes it fit.
_SHOWN = (4, 3, 2, 1)
#: Of a thread's stack, so many callers are shown.
_CALLERS = 2
_END_OF_WITH = "(end of the with block)"


class Finding(StrEnum):
    """What a report comes to."""

    HOLDS = "holds"
    BROKEN = "broken"
    #: Neither shown right nor shown wrong: a person should look.
    UNDECIDED = "undecided"
    #: The submission hid from the explorer, or forged its report.
    TAMPERED = "tampered"


@dataclass(frozen=True)
class Judgement:
    """A finding, what to tell the student of it, and plain numbers for the report."""

    finding: Finding
    text: str
    measured: dict[str, int] = field(default_factory=dict)


class CaseReport(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the explorer says of one case: the fields are those that ``interleavings`` writes."""

    calls: Annotated[list[str], msgspec.Meta(min_length=1, max_length=3)]
    uses: list[str]
    lesson: str
    allowed: list[dict[str, Any]]
    executions: int
    covered: list[tuple[int, str]]
    verdict: str
    why: str
    proof: bool
    outcome: dict[str, Any] = {}
    alone: bool = False
    lines: list[tuple[int, int, Literal["", "waits", "leaves"]]] = []
    holds: list[tuple[int, int, int]] = []
    waits: list[tuple[int, int, int]] = []
    #: Of each thread that waits, the lines from which it came there, the innermost first.
    callers: list[tuple[int, list[int]]] = []


class Report(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the explorer says."""

    cases: list[CaseReport]
    canaries: str
    findings: list[str]


def explore(scenario: Callable[..., object], source: str, *arguments: object) -> Judgement:
    """Have ``scenario``, a function of the driver, explore in the sandbox, and judge its report.

    ``source`` is the text of the student's module. The scenario gets the challenge under that name.
    """
    challenge = "".join(secrets.choice("01") for _ in range(3))
    return judge(scenario(*arguments, challenge=challenge), source, challenge)


def judge(report: object, source: str, challenge: str) -> Judgement:
    """What ``report`` comes to, for a module with this source and these canaries."""
    try:
        checked = msgspec.convert(report, Report)
    except msgspec.ValidationError as error:
        return Judgement(Finding.TAMPERED, f"The report of the explorer is not as it writes it: {error}")
    measured = {
        "executions": sum(case.executions for case in checked.cases),
        "cases": len(checked.cases),
    }
    for case in checked.cases:
        if case.verdict in _STORIES:
            return Judgement(Finding.BROKEN, _story(case, source.splitlines()), measured)
    if problem := _tampered(checked, source, challenge):
        return Judgement(
            Finding.TAMPERED, f"{problem}.\nLeave the explorer's tools alone: it has to see the code.", measured
        )
    if "?" in checked.canaries:
        return Judgement(Finding.UNDECIDED, "This machine is too slow to tell known races from correct code.", measured)
    for case in checked.cases:
        if reason := _undecided(case):
            return Judgement(Finding.UNDECIDED, f"{' and '.join(case.calls)}: {reason}.", measured)
    return Judgement(Finding.HOLDS, "", measured)


# -- is it to be believed?


def _tampered(report: Report, source: str, challenge: str) -> str:
    if report.findings:
        return f"The submission interferes with the explorer: {report.findings[0][:300]}"
    if not report.cases:
        return "The explorer explored nothing"
    if any(told not in (true, "?") for told, true in zip_longest(report.canaries, challenge)):
        return "In the process of the submission, races are no longer told from correct code"
    bodies = _bodies(source)
    for case in report.cases:
        if case.verdict != "holds":
            continue
        lines = {line for line, _ in case.covered}
        unseen = [name for name in case.uses if name in bodies and not bodies[name] & lines]
        if unseen:
            return f"{unseen[0]}() was called, and none of its lines was seen running"
        if case.uses and not lines:
            return "None of the submission's lines was seen running"
        if case.executions <= len(case.calls):
            return "The submission's threads never met: no order was tried but one after the other"
    return ""


def _undecided(case: CaseReport) -> str:
    if case.verdict != "holds":
        return f"the explorer could not tell ({case.why[:200] or 'no reason given'})"
    if not case.proof:
        return (
            "no race was found; but with all locks that the explorer knows taken away none appeared either, so it cannot "
            "be sure that it saw what matters, and a person should look"
        )
    return ""


def _bodies(source: str) -> dict[str, set[int]]:
    """The lines inside every function, by its name, all functions of that name together."""
    bodies: dict[str, set[int]] = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            inside = range(node.body[0].lineno, (node.end_lineno or node.lineno) + 1)
            bodies.setdefault(node.name, set()).update(inside)
    return bodies


# -- how it is told

_STORIES = {"broken", "deadlock", "endless", "held"}


def _story(case: CaseReport, source: Sequence[str]) -> str:
    meeting = " and ".join(case.calls)
    match case.verdict:
        case "broken" if case.alone:
            head = [
                *_ending(f"{meeting}, one after the other", case),
                "No other thread is needed for that: first make it right for one.",
            ]
        case "broken":
            head = [*_ending(f"{meeting} at the same time", case), *filter(None, [case.lesson])]
        case "deadlock":
            head = [f"{meeting}: nobody can go on any more.", *_waiting(case, source)]
        case "held":
            head = [
                f"{meeting}: all threads have ended, and a lock is still held: the next that wants it waits for ever."
            ]
            head += [f"  {_name(thread)} took it in {_line(line, source)}" for thread, line, _ in case.holds]
        case _:
            head = [f"{meeting}: after thousands of steps, no thread has come to its end."]
    return "\n".join([*head, "", *_table(case, source, _LONGEST - len(head) - 1)])


def _ending(meeting: str, case: CaseReport) -> list[str]:
    """How it ended and how it should have, in one sentence or, where that is too wide to read, in several lines."""
    right = [_outcome(outcome) for outcome in case.allowed[:2]]
    more = " or …" if len(case.allowed) > len(right) else ""
    sentence = f"{meeting}: in the end {_outcome(case.outcome)}; right is {' or '.join(right)}{more}."
    if len(sentence) <= _WIDEST:
        return [sentence]
    labels = ["right is", *["or"] * (len(right) - 1)]
    ends = [f"  {label:<10}  {end}" for label, end in zip(labels, right, strict=True)]
    return [f"{meeting}:", f"  {'in the end':<10}  {_outcome(case.outcome)}", *ends[:-1], ends[-1] + more]


def _outcome(outcome: dict[str, Any]) -> str:
    return ", ".join(f"{name} = {_value(value)}" for name, value in outcome.items())


def _value(value: Any) -> str:
    return str(value)[:80]


def _name(thread: int) -> str:
    return f"thread {thread + 1}"


def _line(number: int, source: Sequence[str]) -> str:
    text = source[number - 1].strip() if 0 < number <= len(source) else ""
    return f"line {number}: {text[:60]}" if text else f"line {number}"


def _waiting(case: CaseReport, source: Sequence[str]) -> list[str]:
    rows: list[str] = []
    callers = dict(case.callers)
    waiting = {thread for thread, _, _ in case.waits}
    for thread, line, lock in case.waits:
        row = f"  {_name(thread)} waits in {_line(line, source)}"
        holders = [(other, taken) for other, taken, number in case.holds if number == lock]
        if not lock:
            row += ", and nobody is left to wake it"
        for other, taken in holders[:1]:
            who = "it took itself" if other == thread else f"{_name(other)} took"
            gone = "" if other in waiting else f", and {_name(other)} has ended without giving it back"
            row += f"\n    for the lock that {who} in {_line(taken, source)}{gone}"
        rows += row.split("\n")
        rows += [f"    called from {_line(caller, source)}" for caller in callers.get(thread, [])[:_CALLERS]]
    return rows


def _table(case: CaseReport, source: Sequence[str], room: int) -> list[str]:
    """The lines as they ran, a column for each thread."""
    width = _WIDTH[len(case.calls)]
    who = "thread " if len(case.calls) < 3 else ""
    titles = [f"{who}{thread + 1}: {call}"[:width].ljust(width) for thread, call in enumerate(case.calls)]
    rows = [" line  " + "  ".join(titles).rstrip()]
    turns = _turns(case, source)
    if sum(len(texts) for _, texts in turns) >= room:
        turns = [(thread, [(line, text) for line, text in texts if text != _END_OF_WITH]) for thread, texts in turns]
    shown = next(
        (most for most in _SHOWN if sum(min(len(texts), 2 * most + 1) for _, texts in turns) < room), _SHOWN[-1]
    )
    for thread, texts in turns:
        if len(texts) > 2 * shown + 1:
            texts[shown:-shown] = [(0, "…")]
        for line, text in texts:
            cut = text if len(text) <= width else text[: width - 1] + "…"
            rows.append(f"{line or '':>5}  {' ' * (thread * (width + 2))}{cut}".rstrip())
    if len(rows) > room:
        rows[room // 2 : len(rows) - room + room // 2 + 1] = ["    …"]
    return rows


def _turns(case: CaseReport, source: Sequence[str]) -> list[tuple[int, list[tuple[int, str]]]]:
    """What each thread ran in a row: the thread, and its lines with their texts."""
    turns = [(thread, list(turn)) for thread, turn in groupby(case.lines, key=lambda row: row[0])]
    before: dict[int, int] = {}
    told = []
    for number, (thread, turn) in enumerate(turns):
        coming = next((later[0] for other, later in turns[number + 1 :] if other == thread), None)
        texts: list[tuple[int, str]] = []
        for row in turn:
            _, line, kind = row
            if not 0 < line <= len(source) or source[line - 1].lstrip().startswith(("def ", "@")):
                continue
            text = source[line - 1].strip()
            if kind == "waits":
                text = "… waits here"
            elif kind == "leaves":
                text = _END_OF_WITH
            elif not texts and line == before.get(thread):
                text = f"… {text}"  # it was stopped within this line, and goes on
            elif row is turn[-1] and coming == row:
                text = f"{text} …"
            texts.append((line, text))
            before[thread] = line
        told.append((thread, texts))
    return told
