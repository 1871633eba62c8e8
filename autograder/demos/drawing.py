"""Lines of characters that fit the console that shows them."""

from collections.abc import Iterable
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

#: What stands for a character on a console that has it not.
_ASCII = str.maketrans("█░·━│├└─µ", "#-.=||`-u")

#: Columns of a bar as long as the largest value.
WIDTH = 44


@dataclass(frozen=True)
class Drawing:
    """Lines that are cut at the console's width, and are ASCII where it has nothing else."""

    lines: tuple[Text, ...]

    @classmethod
    def of(cls, lines: Iterable[Text | str]) -> "Drawing":
        """A drawing of these lines."""
        return cls(tuple(Text(line) if isinstance(line, str) else line for line in lines))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self.lines:
            drawn = line.copy()
            try:
                drawn.plain.encode(options.encoding)
            except (UnicodeEncodeError, LookupError):
                drawn.plain = drawn.plain.translate(_ASCII)
            drawn.truncate(options.max_width)
            yield drawn

    def __str__(self) -> str:
        return "\n".join(line.plain.rstrip() for line in self.lines)


def cells(value: float, largest: float, width: int = WIDTH) -> int:
    """Columns of a bar for `value`: at least one for what is not nothing, `width` for `largest`."""
    if value <= 0 or largest <= 0:
        return 0
    return max(1, min(width, round(value / largest * width)))


def heading(text: str) -> Text:
    """The line above a table or a chart."""
    return Text(text, style="dim")


def ms(seconds: float) -> str:
    """Milliseconds with as many digits as say something."""
    return f"{1000 * seconds:.1f} ms" if seconds < 0.01 else f"{1000 * seconds:,.0f} ms"
