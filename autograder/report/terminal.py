"""What a person reads in a terminal. Everything that comes from a submission is shown, and obeyed nowhere."""

import itertools
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from autograder.records import Machine, Outcome, Report, Result, Verdict
from autograder.report.looks import LOOKS, measured, number, printable
from autograder.report.scaling import curve_lines

#: Results up to this number are shown check by check; a class is shown as a table.
FEW = 3

#: Lines are not longer than this, however wide the terminal is.
_WIDEST = 110

#: The kind of a check is shown from this width on.
_ROOM_FOR_KIND = 60

_UNBOUNDED = 10_000

_INDENT = "    "

#: Outcomes that ask for a person.
_ATTENTION = (Outcome.INCONCLUSIVE, Outcome.ERROR)


def report_view(report: Report, verbose: bool = False) -> RenderableType:
    """All of `report`: a few results check by check, a class as a table and what in it asks for a person."""
    parts: list[RenderableType] = []
    if verbose or len(report.results) <= FEW:
        parts += [result_view(result, verbose) for result in report.results]
    if len(report.results) > FEW:
        parts += [class_table(report), *_attention(report.results)]
    return Group(*parts, *_machine(report.machine))


def result_view(result: Result, verbose: bool = False) -> RenderableType:
    """One submission: a line for each check, what was measured, and the message of each that did not pass.

    Args:
        result: Of the submission.
        verbose: Show also the messages of passed checks, times, curves and the submission's path.
    """
    return _ResultView(result, verbose)


def class_table(report: Report) -> RenderableType:
    """The marks of a class: a row for each student, a column for each exercise.

    Where the terminal is too narrow for the names of the exercises, letters stand for them.
    """
    return _ClassTable(report.results)


@dataclass(frozen=True)
class _ResultView:
    result: Result
    verbose: bool

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = min(options.max_width, _WIDEST)
        yield self._heading()
        before = ""
        for check in self.result.checks:
            yield _check_line(check, width)
            for text in self._below(check, before):
                yield from (Text(_INDENT) + line for line in text.wrap(console, max(width - len(_INDENT), 8)))
            before = check.message or before
        yield Text()

    def _heading(self) -> Text:
        result = self.result
        marks = f"{number(result.score)} of {number(result.points)} points"
        heading = Text.assemble((f"{_plain(result.student)}  {_plain(result.exercise)}  ", "bold"))
        heading.append(marks, style=f"bold {_style(result)}")
        heading.append(f"  {result.seconds:.1f} s", style="dim")
        if self.verbose:
            heading.append(f"  {_plain(result.path)}", style="dim")
        return heading

    def _below(self, check: Verdict, before: str) -> Iterator[Text]:
        """What stands beneath the line of `check`; `before` is the last message shown."""
        figures = measured(check, curves=self.verbose)
        if self.verbose:
            figures = ", ".join(filter(None, [figures, f"{check.seconds:.2f} s"]))
        if figures:
            yield Text(figures, style="dim")
        yield from curve_lines(check)
        if check.message and (self.verbose or check.outcome is not Outcome.PASSED):
            again = check.message == before
            yield Text("as above", style="dim") if again else Text(printable(check.message).rstrip("\n"))


@dataclass(frozen=True)
class _ClassTable:
    results: tuple[Result, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        exercises = tuple(dict.fromkeys(result.exercise for result in self.results))
        table = self._table(exercises, tuple(map(_plain, exercises)), gap=1)
        unbounded = options.update(max_width=_UNBOUNDED)
        if Measurement.get(console, unbounded, table).maximum <= options.max_width:
            yield table
        else:
            letters = tuple(itertools.islice(_letters(), len(exercises)))
            yield self._table(exercises, letters, gap=0)
            legend = ", ".join(f"{letter} {_plain(name)}" for letter, name in zip(letters, exercises, strict=True))
            yield Text(legend, style="dim")

    def _table(self, exercises: tuple[str, ...], headings: tuple[str, ...], gap: int) -> Table:
        by_student: dict[str, list[Result]] = {}
        for result in self.results:
            by_student.setdefault(result.student, []).append(result)
        several = len(by_student) > 1
        table = Table(box=box.SIMPLE_HEAD, padding=(0, gap, 0, 0), pad_edge=False, show_footer=several)
        table.add_column("student", footer="mean", overflow="fold", min_width=8)
        for exercise, heading in zip(exercises, headings, strict=True):
            scores = [result.score for result in self.results if result.exercise == exercise]
            table.add_column(heading, footer=number(sum(scores) / len(scores)), justify="right", no_wrap=True)
        total = sum(result.score for result in self.results)
        mean = number(total / max(1, len(by_student)))
        table.add_column("total", footer=mean, justify="right", style="bold", no_wrap=True)
        for student, results in by_student.items():
            cells = (_cell([result for result in results if result.exercise == name]) for name in exercises)
            table.add_row(_plain(student), *cells, number(sum(result.score for result in results)))
        return table


def _letters() -> Iterator[str]:
    """a, b, ... z, aa, ab, ..."""
    for length in itertools.count(1):
        yield from map("".join, itertools.product(string.ascii_lowercase, repeat=length))


def _check_line(check: Verdict, width: int) -> Table:
    """Symbol, title, kind (where there is room) and points, in the same columns for every check."""
    look = LOOKS[check.outcome]
    title = Text(_plain(check.title))
    usual = check.outcome in (Outcome.PASSED, Outcome.FAILED)
    notes = ", ".join(filter(None, ["hidden" if check.hidden else "", "" if usual else look.word]))
    if notes:
        title.append(f" ({notes})", style="dim" if usual else look.style)
    points = Text(f"{number(check.score)}/{number(check.points)}", style=look.style)
    kind = [Text(check.kind, style="dim")] if width >= _ROOM_FOR_KIND else []
    line = Table.grid(padding=(0, 1, 0, 0))
    line.add_column(width=1)
    line.add_column(width=max(width - 14 - 12 * len(kind), 8), overflow="fold")
    for _ in kind:
        line.add_column(width=11)
    line.add_column(width=9, justify="right")
    line.add_row(Text(look.symbol, style=look.style), title, *kind, points)
    return line


def _cell(results: Sequence[Result]) -> Text:
    """The marks of one student for one exercise; several where the same work was found in several places."""
    if not results:
        return Text("-", style="dim")
    marks = (Text(number(result.score) + "".join(_flags(result)), style=_style(result)) for result in results)
    return Text("\n").join(marks)


def _flags(result: Result) -> list[str]:
    outcomes = {check.outcome for check in result.checks}
    return [LOOKS[outcome].symbol for outcome in _ATTENTION if outcome in outcomes]


def _style(result: Result) -> str:
    if result.score >= result.points:
        return "green"
    return "yellow" if result.score > 0 else "red"


def _attention(results: Sequence[Result]) -> Iterator[Text]:
    """A line for each check that asks for a person: the students whom it concerns and the first reason."""
    concerned: dict[tuple[str, str, Outcome], list[str]] = {}
    reasons: dict[tuple[str, str, Outcome], str] = {}
    for result in results:
        for check in result.checks:
            if check.outcome in _ATTENTION:
                key = result.exercise, check.name, check.outcome
                concerned.setdefault(key, []).append(result.student)
                reasons.setdefault(key, check.message.partition("\n")[0])
    for (exercise, name, outcome), students in concerned.items():
        look = LOOKS[outcome]
        some = ", ".join(map(_plain, students[:FEW]))
        more = f" and {len(students) - FEW} more" if len(students) > FEW else ""
        reason = reasons[exercise, name, outcome]
        line = Text(f"{look.symbol} ", style=look.style)
        line.append(f"{_plain(exercise)} {_plain(name)}", style="bold")
        line.append(f": {look.word} for {some}{more}")
        yield line.append(f": {_plain(reason)}" if reason else "")


def _machine(machine: Machine) -> Iterator[Text]:
    """What the figures were measured on, and what limits their worth."""
    facts = (f"{machine.cores} cores", f"isolation {machine.isolation}", f"{machine.clock} clock")
    yield Text(_plain(", ".join((*facts, f"load {machine.load:.1f}"))), style="dim")
    for warning in machine.warnings:
        yield Text(f"! {_plain(warning)}", style="yellow")


def _plain(text: str) -> str:
    return printable(text, keep="")
