"""The timeline as it is drawn in a terminal."""

import io
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from autograder.records import Result, Timeline, Verdict
from autograder.records.timeline import Doing, Role, Row
from autograder.report.timeline import ASCII, BLOCKS, MOST_ROWS, alphabet_for, timeline_view

Make = Callable[..., Verdict]
MakeResult = Callable[..., Result]
MakeRow = Callable[..., Row]
MakeTimeline = Callable[..., Timeline]


def _drawn(result: Result, width: int = 80, encoding: str = "utf-8") -> str:
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
    Console(file=out, width=width, color_system=None).print(timeline_view(result))
    out.flush()
    return out.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]


def test_the_chart(make_verdict: Make, make_result: MakeResult, make_timeline: MakeTimeline) -> None:
    """A row for each process by rank or role, its time from left to right, and its figures, in 80 columns."""
    result = make_result(make_verdict(title="It trains.", timeline=make_timeline()))
    assert (
        """\
It trains.
  driver.train(2)
                    pid 0             200              400 ms   CPU ms ready ms
    caller            2 ████·································       40      0.0
    rank 0            3     ███████████████████··········          200      0.0
      all_reduce                               ━━━━━━━━━━━         2 x     3 KB
    rank 1            4          ░░░░░░░░░░██████████████          150      100
      all_reduce                                       ━━          1 x     3 KB
    helper            5     ██·······························       20      0.0
    worker 1          6                   █████                     40      0.0
    not drawn: 1 thread that hardly ran

█ running  ░ ready, but no core free  · blocked  ━ collective (told from inside)
""".splitlines()
        == [line.rstrip() for line in _drawn(result).rstrip("\n").splitlines()]
    )


@pytest.mark.parametrize(
    ("encoding", "wanted"), [("utf-8", BLOCKS), ("ascii", ASCII), ("latin-1", ASCII), ("no", ASCII)]
)
def test_a_console_without_blocks_gets_ascii(
    make_verdict: Make, make_result: MakeResult, make_timeline: MakeTimeline, encoding: str, wanted: object
) -> None:
    """Where the console's encoding has no blocks, characters that every console has stand for them."""
    assert wanted is alphabet_for(encoding)
    if encoding != "no":
        drawn = _drawn(make_result(make_verdict(timeline=make_timeline())), encoding=encoding)
        assert (wanted is ASCII) == drawn.isascii()


def test_no_calls_no_chart(make_verdict: Make, make_result: MakeResult) -> None:
    """Where nothing was called, as when nothing could be imported, that is said."""
    assert "No call was made" in _drawn(make_result(make_verdict()))


def test_only_the_last_calls_are_drawn(
    make_verdict: Make, make_result: MakeResult, make_timeline: MakeTimeline
) -> None:
    """The last pair of a speedup, the call that failed: those are last. How many came before is said."""
    calls = tuple(make_timeline(f"f({n})").calls[0] for n in range(5))
    drawn = _drawn(make_result(make_verdict(timeline=Timeline(calls=calls, calls_left_out=7))))
    assert ["f(3)", "f(4)"] == [f"f({n})" for n in range(5) if f"f({n})" in drawn]
    assert "not drawn: 10 earlier calls" in drawn


def test_many_processes_make_no_long_chart(
    make_verdict: Make, make_result: MakeResult, make_timeline: MakeTimeline, make_row: MakeRow
) -> None:
    """The first rows are drawn and the others counted, also those that were not kept."""
    rows = tuple(make_row(Role.WORKER, 10 + n, (50, Doing.RUNNING)) for n in range(MOST_ROWS + 5))
    timeline = make_timeline(rows=rows, marks=(), rows_left_out=3, marks_left_out=2)
    drawn = _drawn(make_result(make_verdict(timeline=timeline)))
    assert MOST_ROWS == drawn.count("worker ")
    assert "not drawn: 8 more processes and threads, 2 earlier collectives" in drawn


def test_ranks_without_a_process_are_drawn_too(
    make_verdict: Make, make_result: MakeResult, make_timeline: MakeTimeline
) -> None:
    """What is reported from inside need not fit what was seen from outside."""
    drawn = _drawn(make_result(make_verdict(timeline=make_timeline(rows=()))))
    assert [1, 1, 2] == [drawn.count(word) for word in ("rank 0", "rank 1", "all_reduce")]


HOSTILE = "\x1b[2J\x1b]0;owned\x07\r[bold]x[/bold] \u202e\ud800\x00"


def test_names_are_shown_and_obeyed_nowhere(
    make_verdict: Make, make_result: MakeResult, make_timeline: MakeTimeline
) -> None:
    """What comes from a submission, or from what it told, does nothing to the terminal."""
    drawn = _drawn(make_result(make_verdict(title=HOSTILE, timeline=make_timeline(HOSTILE, HOSTILE))), 200)
    assert [] == [sign for sign in "\x1b\x07\r\u202e\ud800\x00" if sign in drawn]
    assert "[bold]x[/bold]" in drawn


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(20, 200), st.text(max_size=100), st.floats(0.0, 1e4))
def test_no_line_is_wider_than_the_terminal(
    make_verdict: Make, make_result: MakeResult, make_timeline: MakeTimeline, width: int, text: str, seconds: float
) -> None:
    """Any names, any length of time, any width."""
    timeline = make_timeline(text, text, seconds=seconds)
    drawn = _drawn(make_result(make_verdict(title=text, timeline=timeline)), width)
    assert all(cell_len(line) <= width for line in drawn.split("\n"))
