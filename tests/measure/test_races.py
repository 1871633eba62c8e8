"""What the grader makes of a report on interleavings."""

from collections.abc import Callable
from typing import Any

import pytest

from autograder.measure.races import Finding, explore, judge

SOURCE = """\
class Account:
    def deposit(self, amount):
        balance = self.balance
        self.balance = balance + amount

    def withdraw(self, amount):
        with self.lock:
            return self.take(amount)
"""


def case(**changes: Any) -> dict[str, Any]:
    """A report on a case that holds, with all the evidence there should be; or with changes."""
    return {
        "calls": ["a.deposit(5)", "a.deposit(7)"],
        "uses": ["deposit"],
        "lesson": "Which lines belong together?",
        "allowed": [{"a": 12}],
        "executions": 12,
        "covered": [[3, "Account.deposit"], [4, "Account.deposit"]],
        "verdict": "holds",
        "why": "",
        "proof": True,
        **changes,
    }


def broken(**changes: Any) -> dict[str, Any]:
    """A report on a lost update."""
    lines = [[0, 3, ""], [1, 3, ""], [1, 4, ""], [0, 4, ""]]
    return case(verdict="broken", outcome={"a": 5}, lines=lines, proof=False, **changes)


def report(*cases: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A whole report."""
    return {"cases": list(cases), "canaries": "101", "findings": [], **changes}


def test_a_report_with_all_its_evidence_holds() -> None:
    """What holds, with evidence, is believed, and nothing is said."""
    judgement = judge(report(case(), case()), SOURCE, "101")
    assert judgement.finding is Finding.HOLDS
    assert judgement.text == ""
    assert judgement.measured == {"executions": 24, "cases": 2}


def test_a_race_is_told_in_the_students_lines() -> None:
    """The text says how it ended, how it should have, what to think about, and who ran which line when."""
    judgement = judge(report(broken()), SOURCE, "101")
    assert judgement.finding is Finding.BROKEN
    assert judgement.text.splitlines() == [
        "a.deposit(5) and a.deposit(7) at the same time: in the end a = 5; right is a = 12.",
        "Which lines belong together?",
        "",
        " line  thread 1: a.deposit(5)             thread 2: a.deposit(7)",
        "    3  balance = self.balance",
        "    3                                     balance = self.balance",
        "    4                                     self.balance = balance + amount",
        "    4  self.balance = balance + amount",
    ]


def test_a_line_that_was_stopped_in_the_middle_is_shown_so() -> None:
    """Dots say where a thread was stopped within a line, and where it goes on."""
    lines = [[0, 4, ""], [1, 3, ""], [0, 4, ""]]
    rows = judge(report(case(verdict="broken", outcome={"a": 5}, lines=lines)), SOURCE, "101").text.splitlines()[-3:]
    assert rows[0].endswith("  self.balance = balance + amount …")
    assert rows[2].endswith("  … self.balance = balance + amount")


def test_what_is_wrong_without_a_second_thread_is_said_to_be() -> None:
    """A result that is wrong one after the other is not called a race."""
    text = judge(report(broken(alone=True)), SOURCE, "101").text
    assert "one after the other" in text
    assert "at the same time" not in text


def test_a_race_counts_whatever_the_evidence() -> None:
    """A race that was shown needs no canary: nobody forges one against themselves."""
    assert judge(report(broken(), canaries="???", findings=["x"]), SOURCE, "101").finding is Finding.BROKEN


def test_a_deadlock_says_who_holds_and_awaits_what() -> None:
    """Both threads appear with the line in which they wait, and that in which the other took the lock."""
    told = case(
        verdict="deadlock",
        outcome={},
        lines=[[0, 7, ""], [1, 7, ""], [1, 8, "waits"], [0, 8, "waits"]],
        holds=[[0, 7, 1], [1, 7, 2]],
        waits=[[0, 8, 2], [1, 8, 1]],
    )
    lines = judge(report(told), SOURCE, "101").text.splitlines()
    assert lines[0] == "a.deposit(5) and a.deposit(7): nobody can go on any more."
    assert lines[1] == "  thread 1 waits in line 8: return self.take(amount)"
    assert lines[2] == "    for the lock that thread 2 took in line 7: with self.lock:"
    assert lines[3].startswith("  thread 2 waits in line 8")
    assert "… waits here" in lines[-1]


def test_a_deadlock_shows_from_where_a_thread_came() -> None:
    """Both stacks are told: the line where a thread waits, and those from which it came there."""
    told = case(verdict="deadlock", holds=[[0, 7, 1]], waits=[[1, 3, 1]], callers=[[1, [8, 7]]])
    lines = judge(report(told), SOURCE, "101").text.splitlines()
    assert lines[1:5] == [
        "  thread 2 waits in line 3: balance = self.balance",
        "    for the lock that thread 1 took in line 7: with self.lock:, and thread 1 has ended without giving it back",
        "    called from line 8: return self.take(amount)",
        "    called from line 7: with self.lock:",
    ]


def test_an_ending_that_is_too_wide_is_told_in_lines() -> None:
    """Where several endings are right, they stand below each other, so that what differs is seen."""
    ends = [{"a": number, "answers": [True, False, "a very long answer"]} for number in (1, 2, 3)]
    text = judge(report(broken() | {"allowed": ends, "outcome": ends[0] | {"a": 7}}), SOURCE, "101").text
    assert text.splitlines()[:4] == [
        "a.deposit(5) and a.deposit(7) at the same time:",
        "  in the end  a = 7, answers = [True, False, 'a very long answer']",
        "  right is    a = 1, answers = [True, False, 'a very long answer']",
        "  or          a = 2, answers = [True, False, 'a very long answer'] or …",
    ]


def test_a_text_is_never_long() -> None:
    """However often the threads took turns, the text fits a screen, and shows how it began and how it ended."""
    source = "def f():\n" + "".join(f"    step_{number}()\n" for number in range(2, 60))
    lines = [[turn % 3, number, ""] for turn in range(20) for number in range(2 + turn, 10 + turn)]
    told = broken() | {"calls": ["f()"] * 3, "lines": lines}
    rows = judge(report(told), source, "101").text.splitlines()
    assert len(rows) <= 28
    assert "step_2()" in rows[4]
    assert "step_28()" in rows[-1]


def test_a_lock_of_a_thread_that_has_ended_is_told_apart() -> None:
    """When the holder has ended, the text says so; when it is the waiter itself, that."""
    gone = case(verdict="deadlock", holds=[[0, 7, 1]], waits=[[1, 7, 1]])
    assert "thread 1 has ended without giving it back" in judge(report(gone), SOURCE, "101").text
    itself = case(verdict="deadlock", holds=[[0, 7, 1]], waits=[[0, 7, 1]])
    assert "the lock that it took itself" in judge(report(itself), SOURCE, "101").text


def test_long_turns_are_shortened() -> None:
    """Of a long turn the first and the last lines are shown, so that a table stays short enough to read."""
    source = "def f():\n" + "".join(f"    step_{number}()\n" for number in range(2, 60))
    lines = [[0, number, ""] for number in range(2, 60)] + [[1, 2, ""]]
    text = judge(report(case(verdict="broken", outcome={"a": 1}, lines=lines)), source, "101").text
    assert "step_2()" in text
    assert "step_30()" not in text
    assert "step_59()" in text
    assert len(text.splitlines()) < 20


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"canaries": "111"}, "no longer told from correct code"),
        ({"canaries": ""}, "no longer told from correct code"),
        ({"findings": ["the submission changed frontrun.explore"]}, "changed frontrun.explore"),
        ({"cases": []}, "explored nothing"),
        ({"cases": [case(executions=1)]}, "never met"),
        ({"cases": [case(covered=[])]}, "deposit() was called, and none of its lines"),
        ({"cases": [case(covered=[[8, "Account.withdraw"]])]}, "deposit() was called, and none of its lines"),
        ({"cases": [case(), case(uses=["withdraw"])]}, "withdraw() was called"),
        ({"cases": [case(uses=["elsewhere"], covered=[])]}, "None of the submission's lines"),
    ],
)
def test_what_holds_without_evidence_is_not_believed(changes: dict[str, Any], words: str) -> None:
    """Canaries, findings, executions, and the student's own lines: each is asked for."""
    judgement = judge({**report(case()), **changes}, SOURCE, "101")
    assert judgement.finding is Finding.TAMPERED
    assert words in judgement.text


@pytest.mark.parametrize(
    "forged",
    [
        None,
        "holds",
        {},
        {"cases": None, "canaries": "101", "findings": []},
        report({**case(), "extra": 1}),
        report({**case(), "executions": "many"}),
        report(case(calls=[])),
        report(case(lines=[[0, 1]])),
    ],
)
def test_what_is_no_report_is_tampering(forged: object) -> None:
    """A report that the explorer would not write is refused, and never an error of the grader."""
    assert judge(forged, SOURCE, "101").finding is Finding.TAMPERED


def test_none_of_both_is_undecided() -> None:
    """Where the explorer cannot tell, or nothing hung on a lock, nobody is called wrong: a person should look."""
    cannot = judge(report(case(verdict="undecided", why="no time")), SOURCE, "101")
    assert cannot.finding is Finding.UNDECIDED
    assert "no time" in cannot.text
    assert judge(report(case(proof=False)), SOURCE, "101").finding is Finding.UNDECIDED
    assert judge(report(case(verdict="anything")), SOURCE, "101").finding is Finding.UNDECIDED


def test_functions_that_the_source_does_not_show_are_asked_for_nothing() -> None:
    """A function that is no ``def`` in the file cannot be looked for; any line of the file then does."""
    assert judge(report(case(uses=["made_elsewhere"])), SOURCE, "101").finding is Finding.HOLDS


def test_every_challenge_is_another() -> None:
    """The scenario is given canaries that it cannot know beforehand."""
    challenges = set()

    def scenario(*_arguments: object, challenge: str) -> dict[str, Any]:
        challenges.add(challenge)
        return report(case(), canaries=challenge)

    for _ in range(40):
        assert explore(scenario, SOURCE, "argument").finding is Finding.HOLDS
    assert len(challenges) > 3
    constant: Callable[..., object] = lambda *, challenge: report(case(), canaries="101")  # noqa: ARG005, E731
    assert Finding.TAMPERED in {explore(constant, SOURCE).finding for _ in range(40)}
