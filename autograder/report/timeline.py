"""The timeline of a check's calls as a small chart for the terminal: a row for each process, from left to right in time."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.text import Text

from autograder.records import Result, Timeline, Verdict
from autograder.records.timeline import CallTimeline, Doing, Mark, Role, Row, in_slots
from autograder.report.looks import printable

#: What is drawn of what was kept; a trace has the rest.
MOST_CALLS = 2
MOST_ROWS = 20
MOST_NAMES = 4
#: A thread, beyond the first of its process, that ran for less than this share of the call is counted and not drawn.
HARDLY = 0.01

_WIDEST = 110
_INDENT = 4
_NAME = 14
_PID = 5
_FIGURE = 9
_NARROWEST = 8


class Alphabet(NamedTuple):
    """The characters of a chart."""

    running: str
    waiting: str
    blocked: str
    collective: str


BLOCKS = Alphabet("█", "░", "·", "━")
ASCII = Alphabet("#", "-", ".", "=")

_STYLES: Mapping[Doing, str] = {Doing.RUNNING: "green", Doing.WAITING: "yellow", Doing.BLOCKED: "dim"}


def timeline_view(result: Result) -> RenderableType:
    """What ran when in the last calls of each check of ``result``, and what the characters mean."""
    checks = [(check, check.timeline) for check in result.checks if isinstance(check.timeline, Timeline)]
    if not checks:
        return Text("No call was made, so there is no timeline.\n", style="dim")
    return Group(*(_CheckChart(check, timeline) for check, timeline in checks), _Legend())


def call_lines(call: CallTimeline, width: int) -> Iterator[Text]:
    """The chart of one call in `width` columns, for those who have a legend of their own."""
    yield from _Chart(call, BLOCKS, width).lines()


def process_names(rows: Iterable[Row]) -> list[str]:
    """What the process of each row is called: by its rank where that is known, else by its role."""
    workers: dict[int, int] = {}
    names = []
    for row in rows:
        if row.rank is not None:
            names.append(f"rank {row.rank}")
        elif row.role is Role.WORKER:
            names.append(f"worker {workers.setdefault(row.pid, len(workers) + 1)}")
        else:
            names.append(str(row.role))
    return names


def alphabet_for(encoding: str) -> Alphabet:
    """Blocks where the console's encoding has them, else ASCII."""
    try:
        "".join(BLOCKS).encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return BLOCKS


@dataclass(frozen=True)
class _Legend:
    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        look = alphabet_for(options.encoding)
        text = (
            f"{look.running} running  {look.waiting} ready, but no core free  {look.blocked} blocked  "
            f"{look.collective} collective (told from inside)"
        )
        yield from _cut([Text(text, style="dim"), Text()], options)


@dataclass(frozen=True)
class _CheckChart:
    check: Verdict
    timeline: Timeline

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = min(options.max_width, _WIDEST)
        look = alphabet_for(options.encoding)
        calls = self.timeline.calls[-MOST_CALLS:]
        earlier = self.timeline.calls_left_out + len(self.timeline.calls) - len(calls)
        yield from _cut([Text(printable(self.check.title, keep=""), style="bold")], options)
        if earlier:
            yield from _cut(
                [Text(f"  not drawn: {earlier} earlier call{'s' if earlier > 1 else ''}", style="dim")], options
            )
        for call in calls:
            yield from _cut(_Chart(call, look, width).lines(), options)
        yield Text()


@dataclass(frozen=True)
class _Chart:
    call: CallTimeline
    look: Alphabet
    width: int

    @property
    def bar_width(self) -> int:
        return max(_NARROWEST, self.width - _INDENT - _NAME - _PID - 2 * _FIGURE - 2)

    def lines(self) -> Iterator[Text]:
        call = self.call
        yield Text(f"  {printable(call.label, keep='')}")
        yield self._axis()
        named = zip(call.rows, process_names(call.rows), strict=True)
        drawn = [(row, name) for row, name in named if not row.thread or row.cpu_seconds >= HARDLY * call.seconds]
        marks = _by_rank(call.marks)
        for row, name in drawn[:MOST_ROWS]:
            yield self._row(row, f"  thread {row.thread}" if row.thread else name)
            if row.thread == 0 and row.rank is not None:
                yield from self._collectives(marks.pop(row.rank, []))
        for rank, some in sorted(marks.items())[:MOST_ROWS]:
            yield self._line(Text(f"rank {rank}"), "", Text())
            yield from self._collectives(some)
        yield from self._left_out(len(call.rows) - len(drawn), max(0, len(drawn) - MOST_ROWS))

    def _axis(self) -> Text:
        end = f"{_ms(self.call.seconds)} ms"
        middle = _ms(self.call.seconds / 2)
        room = self.bar_width - 1 - len(end)
        scale = f"0{middle:^{max(room, 0)}}{end}" if room > len(middle) else f"{end:>{self.bar_width}}"
        return self._line(Text(), "pid", Text(scale), "CPU ms", "ready ms", "dim")

    def _row(self, row: Row, name: str) -> Text:
        signs = {
            Doing.RUNNING: self.look.running,
            Doing.WAITING: self.look.waiting,
            Doing.BLOCKED: self.look.blocked,
        }
        bar = Text()
        for doing in in_slots(row.segments, 0.0, max(self.call.seconds, 1e-9), self.bar_width):
            bar.append(" " if doing is None else signs[doing], style="" if doing is None else _STYLES[doing])
        pid = "" if row.thread else str(row.pid)
        return self._line(Text(name), pid, bar, _ms(row.cpu_seconds), _ms(row.waiting_seconds))

    def _collectives(self, marks: Sequence[Mark]) -> Iterator[Text]:
        """A line for each of the most frequent collectives of a rank."""
        for name, count in Counter(mark.name for mark in marks).most_common(MOST_NAMES):
            some = [mark for mark in marks if mark.name == name]
            cells = [" "] * self.bar_width
            for mark in some:
                first, last = self._cell(mark.start), self._cell(mark.end)
                cells[first : last + 1] = self.look.collective * (last + 1 - first)
            bar = Text("".join(cells), style="cyan")
            figures = f"{count} x", _size(sum(mark.bytes for mark in some))
            yield self._line(Text(f"  {printable(name, keep='')}"), "", bar, *figures)

    def _cell(self, moment: float) -> int:
        return min(self.bar_width - 1, int(moment / max(self.call.seconds, 1e-9) * self.bar_width))

    def _line(self, name: Text, pid: str, bar: Text, first: str = "", second: str = "", style: str = "") -> Text:
        name.truncate(_NAME - 1, pad=True)
        bar.truncate(self.bar_width, pad=True)
        parts = Text(" " * _INDENT), name, Text(f" {pid:>{_PID}} "), bar, Text(f"{first:>{_FIGURE}}{second:>{_FIGURE}}")
        line = Text(style=style)
        for part in parts:
            line.append_text(part)
        return line

    def _left_out(self, idle: int, more: int) -> Iterator[Text]:
        more += self.call.rows_left_out
        told = (
            (idle, f"thread{'s' if idle > 1 else ''} that hardly ran"),
            (more, "more processes and threads"),
            (self.call.marks_left_out, "earlier collectives"),
        )
        words = ", ".join(f"{count} {what}" for count, what in told if count)
        if words:
            yield Text(f"{'':{_INDENT}}not drawn: {words}", style="dim")


def _cut(lines: Iterable[Text], options: ConsoleOptions) -> Iterator[Text]:
    """Lines that leave the window on no side."""
    for line in lines:
        line.truncate(options.max_width)
        yield line


def _by_rank(marks: Iterable[Mark]) -> dict[int, list[Mark]]:
    found: dict[int, list[Mark]] = {}
    for mark in marks:
        found.setdefault(mark.rank, []).append(mark)
    return found


def _ms(seconds: float) -> str:
    """Milliseconds with as many digits as say something."""
    return f"{1000 * seconds:.1f}" if seconds < 0.01 else f"{1000 * seconds:,.0f}"


def _size(count: int) -> str:
    """A number of bytes, as ``1.2 MB``."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count} B"
