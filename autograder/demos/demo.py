"""What a demonstration is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from rich.console import Group, RenderableType
from rich.constrain import Constrain
from rich.text import Text

from autograder.demos.drawing import Drawing
from autograder.errors import UsageError

Seen = TypeVar("Seen")

#: Columns of the words around a drawing.
_COLUMNS = 100


@dataclass(frozen=True)
class Size:
    """The one number that can be chosen of a demonstration."""

    #: What it counts, in the plural.
    what: str
    default: int
    least: int
    most: int


@dataclass(frozen=True)
class Demo(Generic[Seen]):
    """A demonstration: words, a measurement, a drawing, and words again."""

    name: str
    #: Name of the exercise that it belongs to, which a course need not have.
    exercise: str
    #: The title, an empty line, and what is going to be seen: the docstring of its module.
    text: str
    #: Why it looks as it does.
    after: str
    size: Size
    measure: Callable[[int], Seen]
    #: Pure: draws what was measured, whenever and wherever that was.
    draw: Callable[[Seen], Drawing]

    @property
    def title(self) -> str:
        """One line, without the full stop."""
        return self.text.partition("\n")[0].rstrip(".")

    def chosen_size(self, size: int | None) -> int:
        """`size`, or the default.

        Raises:
            UsageError: It is too small or too large.
        """
        if size is not None and not self.size.least <= size <= self.size.most:
            raise UsageError(
                f"demo {self.name}: the size is the number of {self.size.what}; "
                f"choose one from {self.size.least:,} to {self.size.most:,}, not {size:,}"
            )
        return self.size.default if size is None else size

    def introduction(self) -> RenderableType:
        """The title, and what is going to be seen."""
        return Group(Text(self.title, style="bold"), _words(self.text.partition("\n")[2]))

    def result(self, size: int) -> RenderableType:
        """Measures, which takes up to some seconds, and draws; then says why it looks as it does."""
        drawing = self.draw(self.measure(size))
        belongs = Text(
            f"Exercise: {self.exercise}. Other sizes: --size N, the number of {self.size.what}.", style="dim"
        )
        return Group(drawing, Text(), _words(self.after), belongs)


def _words(text: str) -> RenderableType:
    """Paragraphs, each of which is broken anew into lines."""
    paragraphs = [" ".join(paragraph.split()) for paragraph in text.strip().split("\n\n")]
    return Constrain(Group(*(Text(paragraph + "\n") for paragraph in paragraphs)), _COLUMNS)
