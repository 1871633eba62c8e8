"""A result as a table in HTML, for a notebook. Everything that comes from a submission is shown, and obeyed nowhere."""

import html
import io
from collections.abc import Iterator, Mapping

from rich.console import Console, Group, RenderableType

from autograder.records import Outcome, Result, Verdict
from autograder.report.looks import LOOKS, measured, number, printable
from autograder.report.scaling import curve_lines
from autograder.report.timeline import timeline_view

#: Columns of what is drawn with characters.
_WIDTH = 110

#: Readable on white and on black.
_COLOURS: Mapping[str, str] = {"green": "#2e9d46", "red": "#e04848", "yellow": "#c08a00", "magenta": "#c050c0"}
_DIM = "#888888"

_PRE = 'style="margin:0.2em 0 0.4em;padding:0;line-height:1.25;white-space:pre{wrap};background:none"'


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
        # The class keeps MathJax from taking what stands between two dollar signs for a formula.
        f'<div class="tex2jax_ignore mathjax_ignore"><b>{_text(result.exercise)}: {marks}</b> '
        f'<span style="color:{_DIM}">{result.seconds:.1f} s</span>'
        f'<table style="margin-left:0;text-align:left"><tbody>{rows}</tbody></table>{drawn}</div>'
    )


def _row(check: Verdict) -> str:
    look = LOOKS[check.outcome]
    colour = _COLOURS.get(look.style, _DIM)
    cell = 'td style="text-align:left;vertical-align:top'
    return (
        f'<tr><{cell};color:{colour};white-space:nowrap">{look.symbol} {_text(look.word)}</td>'
        f'<{cell}">{_text(check.title)}{"".join(_below(check))}</td>'
        f'<{cell};white-space:nowrap">{number(check.score)} of {number(check.points)}</td></tr>'
    )


def _below(check: Verdict) -> Iterator[str]:
    if figures := measured(check):
        yield f'<div style="color:{_DIM}">{_text(figures)}</div>'
    if curve := list(curve_lines(check)):
        yield _drawn(Group(*curve))
    if check.message and check.outcome is not Outcome.PASSED:
        yield f"<pre {_PRE.format(wrap='-wrap')}>{_text(check.message, keep=chr(10) + chr(9))}</pre>"


def _drawn(view: RenderableType) -> str:
    """What is drawn for a terminal, in its colours."""
    console = Console(
        file=io.StringIO(), record=True, width=_WIDTH, highlight=False, color_system="truecolor", force_jupyter=False
    )
    console.print(view)
    code = f"<pre {_PRE.format(wrap='')}>{{code}}</pre>"
    return console.export_html(inline_styles=True, code_format=code)


def _text(text: str, keep: str = "") -> str:
    return html.escape(printable(text, keep=keep))
