"""What a person reads in a terminal."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console, RenderableType

from autograder.records import Kind, Outcome, Report, Result, Verdict
from autograder.report.looks import LOOKS, printable
from autograder.report.terminal import class_table, report_view, result_view

Make = Callable[..., Verdict]
MakeResult = Callable[..., Result]
MakeReport = Callable[..., Report]

NAMES = [
    *("processes", "threads", "race", "seeding", "cpu_bound", "overhead"),
    *("matmul", "ddp", "all_reduce", "pipeline", "overlap"),
]


def _shown(view: RenderableType, width: int = 80, colour: bool = False) -> str:
    console = Console(width=width, force_terminal=colour, color_system="standard" if colour else None)
    with console.capture() as capture:
        console.print(view)
    return capture.get()


def test_every_outcome_has_a_look_of_its_own() -> None:
    """Without colour the symbol tells them apart, and each is one column wide."""
    symbols = [LOOKS[outcome].symbol for outcome in Outcome]
    assert len(Outcome) == len(set(symbols))
    assert {1} == set(map(cell_len, symbols))


def test_a_check_is_one_line_with_symbol_title_kind_and_points(make_verdict: Make, make_result: MakeResult) -> None:
    """A passed check takes one line."""
    heading, line, *_ = _shown(result_view(make_result(make_verdict()))).splitlines()
    assert "alice  race  2 of 2 points  1.2 s" == heading
    assert ["✓", "Promise", "of", "passed.", "correctness", "2/2"] == line.split()


def test_figures_stand_beneath_with_what_was_needed(make_verdict: Make, make_result: MakeResult) -> None:
    """The threshold is last, whatever its place in the dictionary; curves are for the curious."""
    check = make_verdict(
        Outcome.FAILED,
        kind=Kind.SPEEDUP,
        measured={
            "needed": 0.75,
            "efficiency": 0.51234,
            "pairs": 12,
            "scaling_curve": [1.0, 1.5],
            "cpu": 12345.6,
        },
    )
    text = _shown(result_view(make_result(check)))
    assert "    efficiency 0.512, pairs 12, cpu 12,346 (needed 0.75)\n" in text
    assert "scaling curve [1, 1.5]" in _shown(result_view(make_result(check), verbose=True))


def test_a_message_keeps_its_columns(make_verdict: Make, make_result: MakeResult) -> None:
    """Evidence that fits is shown as given, indented."""
    evidence = "One deposit was lost.\n\n  thread A     | thread B\n  read    (0)  |\n               | read    (0)"
    text = _shown(result_view(make_result(make_verdict(Outcome.FAILED, evidence))))
    assert evidence in "\n".join(line[4:].rstrip() for line in text.splitlines())


def test_messages_of_passed_checks_are_for_the_curious(make_verdict: Make, make_result: MakeResult) -> None:
    """They appear on request only."""
    result = make_result(make_verdict(message="all is well"))
    assert "all is well" not in _shown(result_view(result))
    assert "all is well" in _shown(result_view(result, verbose=True))


def test_a_message_that_repeats_is_shown_once(make_verdict: Make, make_result: MakeResult) -> None:
    """A module that cannot be imported fails every check with the same traceback."""
    checks = [make_verdict(Outcome.CRASHED, "SyntaxError: no", name=f"test_{n}") for n in range(3)]
    text = _shown(result_view(make_result(*checks)))
    assert (1, 2) == (text.count("SyntaxError"), text.count("as above"))


def test_what_is_not_usual_is_said_in_words(make_verdict: Make, make_result: MakeResult) -> None:
    """Hidden checks and outcomes beside passed and failed are named."""
    text = _shown(result_view(make_result(make_verdict(Outcome.TIMEOUT, hidden=True), make_verdict(Outcome.ERROR))))
    assert "(hidden, timed out)" in text
    assert "(grader's fault)" in text


HOSTILE = "\x1b[2J\x1b]0;owned\x07\x9b31m\r[bold]x[/bold] :smile: \u202eabc\u2028\ud800\x00\x7f"


@pytest.mark.parametrize("colour", [False, True])
def test_student_text_is_shown_and_obeyed_nowhere(
    make_verdict: Make, make_result: MakeResult, make_report: MakeReport, colour: bool
) -> None:
    """Escapes, controls, markup and turned text come out as what they are, in every place."""
    check = make_verdict(Outcome.INCONCLUSIVE, HOSTILE, title=HOSTILE, measured={HOSTILE: HOSTILE})
    results = [make_result(check, student=f"{n}{HOSTILE}", exercise=HOSTILE) for n in range(5)]
    for verbose in (False, True):
        text = _shown(report_view(make_report(*results, warnings=(HOSTILE,)), verbose), 400, colour)
        text.encode()
        for obeyed in ("\x1b[2J", "\x1b]", "\x07", "\x9b", "\r", "\u202e", "\u2028", "\x00", "\x7f"):
            assert obeyed not in text
        assert "[bold]x[/bold] :smile:" in text
        assert r"\x1b[2J" in text


def test_no_color_is_respected(make_verdict: Make, make_result: MakeResult, monkeypatch: pytest.MonkeyPatch) -> None:
    """With NO_COLOR no colour is sent, even to a terminal."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    view = result_view(make_result(make_verdict(Outcome.FAILED, "no")))
    assert "\x1b[31m" in _shown(view, colour=True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[31m" not in _shown(view, colour=True)


def test_a_class_is_a_table_of_marks(make_verdict: Make, make_result: MakeResult, make_report: MakeReport) -> None:
    """Rows are students, columns exercises; what was not handed in is a dash; doubt is flagged."""
    report = make_report(
        make_result(make_verdict()),
        make_result(make_verdict(), make_verdict(Outcome.FAILED), exercise="seeding"),
        make_result(make_verdict(score=1.5), make_verdict(Outcome.INCONCLUSIVE), student="bob"),
    )
    lines = [line.split() for line in _shown(class_table(report)).splitlines() if line.strip()]
    assert [
        ["student", "race", "seeding", "total"],
        ["alice", "2", "2", "4"],
        ["bob", "1.5?", "-", "1.5"],
        ["mean", "1.75", "2", "2.75"],
    ] == [line for line in lines if not line[0].startswith("─")]


def test_two_submissions_of_one_student_are_both_shown(
    make_verdict: Make, make_result: MakeResult, make_report: MakeReport
) -> None:
    """Neither mark hides the other."""
    report = make_report(make_result(make_verdict()), make_result(make_verdict(Outcome.FAILED)))
    lines = [line.split() for line in _shown(class_table(report)).splitlines()]
    assert ["alice", "2", "2"] in lines
    assert ["0"] in lines


def test_all_exercises_fit_into_eighty_columns(
    make_verdict: Make, make_result: MakeResult, make_report: MakeReport
) -> None:
    """Where names do not fit, letters stand for them and are explained; nothing is cut off."""
    checks = [make_verdict(points=2.5, score=2.25), make_verdict(Outcome.ERROR)]
    results = [make_result(*checks, student=s, exercise=e) for s in ("alice_the_first", "bob") for e in NAMES]
    text = _shown(class_table(make_report(*results)))
    assert max(map(len, text.splitlines())) <= 80
    assert 22 == text.count("2.25!")
    assert "…" not in text
    assert "a processes" in text
    assert "k overlap" in text
    assert "a processes" not in _shown(class_table(make_report(*results)), width=200)


def test_a_class_is_shown_compactly(make_verdict: Make, make_result: MakeResult, make_report: MakeReport) -> None:
    """Three hundred students are not three hundred lists of checks; what asks for a person is one line."""
    check = make_verdict(Outcome.INCONCLUSIVE, "too much noise\nand more")
    results = [make_result(make_verdict(), check, student=f"s{n:03d}") for n in range(300)]
    text = _shown(report_view(make_report(*results)), width=120)
    assert len(text.splitlines()) < 320
    assert "Promise of passed" not in text
    assert "? race test_inconclusive: inconclusive for s000, s001, s002 and 297 more" in text
    assert 1 == text.count("too much noise")


def test_the_machine_and_its_warnings_are_shown(
    make_verdict: Make, make_result: MakeResult, make_report: MakeReport
) -> None:
    """A figure is worth what the machine was worth."""
    text = _shown(report_view(make_report(make_result(make_verdict()), warnings=("no namespaces here",))))
    assert "2 cores, isolation namespaces, corrected clock, load 0.2" in text
    assert "! no namespaces here" in text


def test_a_report_without_results_is_shown(make_report: MakeReport) -> None:
    """Nothing graded is no reason to fail."""
    assert "2 cores" in _shown(report_view(make_report()))
    assert "student" in _shown(class_table(make_report()))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(20, 200),
    st.sampled_from(Outcome),
    st.text(max_size=200),
    st.text(max_size=200),
    st.booleans(),
)
def test_no_line_is_wider_than_the_terminal(
    make_verdict: Make,
    make_result: MakeResult,
    width: int,
    outcome: Outcome,
    title: str,
    message: str,
    verbose: bool,
) -> None:
    """Any text at any width is shown without an error and without leaving the window."""
    text = _shown(result_view(make_result(make_verdict(outcome, message, title=title)), verbose), width)
    assert all(cell_len(line) <= width for line in text.split("\n"))


@settings(deadline=None)
@given(st.text())
def test_printable_text_is_left_alone(text: str) -> None:
    """What is shown has nothing to obey; what had nothing to obey is shown as it is."""
    shown = printable(text)
    assert shown == printable(shown)
    if text.isprintable():
        assert text == shown
