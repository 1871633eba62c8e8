"""How outcomes, numbers and untrusted text look in reports for people."""

import unicodedata
from collections.abc import Mapping
from typing import NamedTuple

from autograder.records import Outcome, Verdict


class Look(NamedTuple):
    """How an outcome is shown. The symbol tells it without colour."""

    symbol: str
    style: str
    word: str


LOOKS: Mapping[Outcome, Look] = {
    Outcome.PASSED: Look("✓", "green", "passed"),
    Outcome.FAILED: Look("✗", "red", "failed"),
    Outcome.TIMEOUT: Look("∞", "red", "timed out"),
    Outcome.CRASHED: Look("†", "red", "crashed"),
    Outcome.SKIPPED: Look("-", "dim", "skipped"),
    Outcome.INCONCLUSIVE: Look("?", "yellow", "inconclusive"),
    Outcome.ERROR: Look("!", "magenta", "grader's fault"),
}

#: Categories of characters that change what a terminal shows around them: control characters, invisible
#: format characters (they can turn the direction of text), halves of surrogate pairs, separators of lines.
_OBEYED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


#: What stands at the end of the line, or is drawn as a chart.
_SHOWN_ELSEWHERE = frozenset(
    {"needed", "workers", "speedups", "attainables", "work_seconds", "span_seconds", "predicted_at_64"}
)


def printable(text: str, keep: str = "\n\t") -> str:
    """`text` with everything that a terminal would obey instead of showing written as an escape.

    Args:
        text: From a submission, or from anywhere else.
        keep: Characters that stay although they are obeyed.
    """

    def shown(character: str) -> str:
        if unicodedata.category(character) not in _OBEYED or character in keep:
            return character
        return character.encode("unicode_escape").decode("ascii")

    return "".join(map(shown, text.replace("\r\n", "\n")))


def verdict_text(check: Verdict) -> str:
    """How `check` ended, with its points and title, and below it the message if it did not pass: harmless plain text."""
    look = LOOKS[check.outcome]
    points = f"{number(check.score)} of " if check.outcome.judged else "a person decides about "
    head = f"{look.symbol} {look.word}: {points}{number(check.points)} points. {printable(check.title, keep='')}"
    return f"{head}\n{printable(check.message)}" if check.message and check.outcome is not Outcome.PASSED else head


def number(value: float) -> str:
    """`value` with at most two decimals, and none that say nothing."""
    return f"{round(value, 2):.12g}"


def measured(verdict: Verdict, curves: bool = False) -> str:
    """What was measured, as one line: ``"speedup 1.8, efficiency 0.9 (needed 0.75)"``; empty if nothing was.

    Args:
        verdict: Of the check.
        curves: Whether lists of numbers are shown too.
    """
    parts = [
        f"{printable(name, keep='').replace('_', ' ')} {_figure(value)}"
        for name, value in verdict.measured.items()
        if name not in _SHOWN_ELSEWHERE and (curves or not isinstance(value, list))
    ]
    needed = f"(needed {_figure(verdict.measured['needed'])})" if "needed" in verdict.measured else ""
    return " ".join(filter(None, [", ".join(parts), needed]))


def _figure(value: bool | int | float | str | list[float]) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:,.0f}" if 1000 <= abs(value) < 1e12 else f"{value:.3g}"
        case list():
            return "[" + ", ".join(_figure(item) for item in value) + "]"
        case _:
            return printable(str(value), keep="")
