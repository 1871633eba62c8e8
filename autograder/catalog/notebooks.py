"""Reads the work in a notebook: the cell that begins with ``%%exercise NAME`` is the module NAME.

That cell alone is the module, as it is for the magic in the student's own notebook: what it needs, it imports. So a
notebook is graded as it was checked, and what else was tried in it is nobody's business. No kernel is started. Where
several cells begin so, the last one counts, as it does when the notebook is run from top to bottom.
"""

import io
import re
import stat
import tokenize
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

import msgspec

from autograder.catalog.text import LARGEST, Source, one_line

#: Bytes of the largest notebook that is read: pictures in it are larger than any source.
LARGEST_NOTEBOOK = 10_000_000

_FORMAT = 4
_LONGEST_QUOTE = 80

#: Takes the place of the magic, so that lines are counted as the notebook shows them. A declared encoding in the first
#: line is the one that counts (PEP 263): whatever the cell declares in its second, the text is written as UTF-8.
_HEAD = "# -*- coding: utf-8 -*- %%exercise {name}\n"

_MAGIC_HEAD = re.compile(r"# -\*- coding: utf-8 -\*- %%exercise \w+")

_MAGIC = re.compile(r"\s*%%exercise[ \t]+(?:\d\d_)?(?P<name>\w+)[ \t]*(?:\n|\Z)")

#: Where Jupyter's own syntax may be: worth a closer look.
_MAYBE_JUPYTER = re.compile(r"(^|=)[ \t]*[%!]", re.MULTILINE)

#: Tokens that neither begin nor end a statement.
_NOTHING = frozenset({tokenize.NL, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT})


class _Cell(msgspec.Struct):
    """What is read of a cell; outputs and metadata are passed over."""

    cell_type: str
    source: str | list[str] = ""

    @property
    def text(self) -> str:
        text = self.source if isinstance(self.source, str) else "".join(self.source)
        return text.replace("\r\n", "\n").replace("\r", "\n")


class _Notebook(msgspec.Struct):
    nbformat: int
    cells: list[_Cell]


def read_notebook(path: Path, name: str) -> Source:
    """The module `name` in the notebook `path`. Never raises because of what it finds there."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return Source(problem="it is not a regular file")
        with path.open("rb") as file:
            data = file.read(LARGEST_NOTEBOOK + 1)
    except OSError as error:
        return Source(problem=f"it cannot be read: {error.strerror or error}")
    except ValueError:  # a null character in the path
        return Source(problem="it cannot be read: no file has such a name")
    if len(data) > LARGEST_NOTEBOOK:
        size = f"more than the {LARGEST_NOTEBOOK:,} bytes that are read"
        return Source(problem=f"it has {size}; clear its outputs and save it again")
    return _module_in(data, name)


def cell_module(name: str, body: str) -> Source:
    """The module `name` that a cell with `body` below its ``%%exercise`` makes, or why it makes none."""
    if len(body) > LARGEST:
        return Source(problem=f"its cell has {len(body):,} characters, more than the {LARGEST:,} that are read")
    line = next(_jupyter_lines(body), None)
    if line is not None:
        shown = one_line(body.split("\n")[line - 1].strip())[:_LONGEST_QUOTE]
        return Source(
            problem=f"line {line + 1} of its cell, '{shown}', is Jupyter's and not Python's: "
            "move it to a cell of its own, outside of the exercise"
        )
    return Source(_HEAD.format(name=name) + body.rstrip("\n") + "\n")


def same_work(file: Source, notebook: Source) -> bool:
    """Whether a file and a notebook have the same module in them, whatever stands for the magic."""
    return not (file.problem or notebook.problem) and fingerprint(file.text) == fingerprint(notebook.text)


def fingerprint(text: str) -> str:
    """16 hexadecimal digits that tell one module from another: the same for a file and for a cell with the same code."""
    first, _, rest = text.partition("\n")
    code = rest if _MAGIC_HEAD.fullmatch(first) else text
    return blake2b(code.strip().encode(errors="surrogatepass"), digest_size=8).hexdigest()


def _module_in(data: bytes, name: str) -> Source:
    try:
        notebook = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=_Notebook)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Source(problem=f"it is no notebook ({one_line(str(error))}); save it in Jupyter")
    if notebook.nbformat != _FORMAT:
        return Source(problem=f"its format is {notebook.nbformat}, not {_FORMAT}; save it in a newer Jupyter")
    for cell in reversed(notebook.cells):
        text = cell.text
        match = _MAGIC.match(text) if cell.cell_type == "code" else None
        if match and match["name"] == name:
            return cell_module(name, text[match.end() :])
    return Source(problem=f"no cell in it begins with '%%exercise {name}'")


def _jupyter_lines(text: str) -> Iterator[int]:
    """Numbers of the lines with magics or shell commands; signs inside of strings and expressions are none."""
    if not _MAYBE_JUPYTER.search(text):
        return
    begins, before = True, ""
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type in _NOTHING or (token.type == tokenize.ERRORTOKEN and token.string.isspace()):
                continue
            if token.string in ("%", "!") and (begins or before == "="):
                yield token.start[0]
            begins, before = token.type == tokenize.NEWLINE, token.string
    except (SyntaxError, tokenize.TokenError):
        return  # no Python either: its import says so, and where
