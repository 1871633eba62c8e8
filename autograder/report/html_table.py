"""A result as a table in HTML, for a notebook. Everything that comes from a submission is shown, and obeyed nowhere."""

import html
import io
import itertools
from collections.abc import Iterator, Mapping

from rich.color import parse_rgb_hex
from rich.console import Console, Group, RenderableType
from rich.terminal_theme import TerminalTheme

from autograder.records import Outcome, Result, Verdict
from autograder.report.looks import LOOKS, measured, number, printable
from autograder.report.scaling import curve_lines
from autograder.report.timeline import timeline_view

#: Columns of what is drawn with characters.
_WIDTH = 96

#: Readable on white and on black; in the order in which terminals number them.
_COLOURS: Mapping[str, str] = {
    "red": "#e04848",
    "green": "#2e9d46",
    "yellow": "#c08a00",
    "blue": "#4a80e0",
    "magenta": "#c050c0",
    "cyan": "#1a9a9a",
}
_DIM = "#888888"
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)
_THEME = TerminalTheme(_WHITE, _BLACK, [_BLACK, *(parse_rgb_hex(colour[1:]) for colour in _COLOURS.values()), _WHITE])

#: Notebooks have a style of their own for tables and for what is preformatted (it breaks words): all of it is said here.
_TABLE = "width:100%;max-width:64em;table-layout:fixed;margin:0.3em 0;border-collapse:collapse;text-align:left"
_ROW = "background:none;border-top:1px solid #8884"
_CELL = "text-align:left;vertical-align:top;padding:0.3em 0.5em"
_BELOW = "text-align:left;padding:0 0.5em 0.6em 1.8em"
_PRE = "margin:0.4em 0 0;padding:0;line-height:1.25;background:none;word-break:normal"
_PROSE = f"{_PRE};white-space:pre-wrap;overflow-wrap:anywhere"
_DRAWN = f"{_PRE};white-space:pre;overflow-x:auto"

#: The classes keep MathJax from taking what stands between two dollar signs for a formula.
_NO_FORMULAS = "tex2jax_ignore mathjax_ignore"


def view_html(view: RenderableType) -> str:
    """What is drawn for a terminal, for a notebook."""
    return f'<div class="{_NO_FORMULAS}">{_drawn(view)}</div>'


def result_html(result: Result, *, timeline: bool = False) -> str:
    """`result` as a table: a row for each check, with what was measured and the message of each that did not pass.

    Args:
        result: Of the submission.
        timeline: Whether to draw what ran when, too.
    """
    marks = f"{number(result.score)} of {number(result.points)} points"
    rows = "".join(_row(check) for check in result.checks)
    drawn = _drawn(timeline_view(result)) if timeline else ""
    return (
        f'<div class="{_NO_FORMULAS}"><b>{_text(result.exercise)}: {marks}</b> '
        f'<span style="color:{_DIM}">{result.seconds:.1f} s</span>'
        f'<table style="{_TABLE}"><tbody>{rows}</tbody></table>{drawn}</div>'
    )


def _row(check: Verdict) -> str:
    """How the check ended, and below it, over the whole width, what there is to read."""
    look = LOOKS[check.outcome]
    colour = _COLOURS.get(look.style, _DIM)
    figures = f'<div style="color:{_DIM}">{_text(figures)}</div>' if (figures := measured(check)) else ""
    below = "".join(_below(check))
    return (
        f'<tr style="{_ROW}"><td style="{_CELL};width:8.5em;color:{colour}">{look.symbol} {_text(look.word)}</td>'
        f'<td style="{_CELL}">{_text(check.title)}{figures}</td>'
        f'<td style="{_CELL};width:6.5em">{number(check.score)} of {number(check.points)}</td></tr>'
    ) + (f'<tr style="background:none"><td colspan="3" style="{_BELOW}">{below}</td></tr>' if below else "")


def _below(check: Verdict) -> Iterator[str]:
    if curve := list(curve_lines(check)):
        yield _drawn(Group(*curve))
    if check.message and check.outcome is not Outcome.PASSED:
        yield from _message(check.message)


def _message(message: str) -> Iterator[str]:
    """Prose is broken where there is no room. What has gaps in its lines is a table or code: that is not."""
    for gaps, lines in itertools.groupby(message.split("\n"), key=lambda line: "  " in line or "\t" in line):
        if text := "\n".join(lines).strip("\n"):
            yield f'<pre style="{_DRAWN if gaps else _PROSE}">{_text(text, keep=chr(10) + chr(9))}</pre>'


def _drawn(view: RenderableType) -> str:
    """What is drawn for a terminal, in its colours."""
    console = Console(
        file=io.StringIO(), record=True, width=_WIDTH, highlight=False, color_system="truecolor", force_jupyter=False
    )
    console.print(view)
    return console.export_html(theme=_THEME, inline_styles=True, code_format=f'<pre style="{_DRAWN}">{{code}}</pre>')


def _text(text: str, keep: str = "") -> str:
    return html.escape(printable(text, keep=keep))
