"""Reads files as text and shows names on one line, whatever is in them."""

import io
import re
import stat
import tokenize
from dataclasses import dataclass
from pathlib import Path

from autograder.errors import CatalogError

#: Bytes of the largest source file that is read.
LARGEST = 1_000_000
#: Characters of what Python says of a text that is none: it repeats the name of the encoding, however long.
_LONGEST_REASON = 200

#: What a source encoding must leave as it is. The last three words find codecs that unescape or compute
#: (``unicode_escape``, ``raw_unicode_escape``, ``idna``) instead of mapping bytes to characters.
_ASCII = bytes(set(range(32, 127)) - {ord("\\")}) + rb"\n\u0041.xn--mnchen-3ya" + b"\t\n"

_DECLARATION = re.compile(r"^([ \t\f]*#.*?coding[:=][ \t]*)[-\w.]+", re.MULTILINE)


@dataclass(frozen=True)
class Source:
    """The text of a source file, or one line on why there is none.

    Newlines are ``\\n``. An encoding that the file declares (PEP 263) has been followed, and the declaration
    now says UTF-8, so that the text can be written as UTF-8.
    """

    text: str = ""
    problem: str = ""


def read_source(path: Path) -> Source:
    """The Python source in `path`. Reads as Python would, and never raises because of what it finds there."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return Source(problem="it is not a regular file")
        if status.st_size > LARGEST:
            return Source(problem=f"it has {status.st_size:,} bytes, more than the {LARGEST:,} that are read")
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)  # a file of /proc says that it is empty and has no end
    except OSError as error:
        return Source(problem=f"it cannot be read: {error.strerror or error}")
    except ValueError:  # a null character in the path
        return Source(problem="it cannot be read: no file has such a name")
    if len(data) > LARGEST:
        return Source(problem=f"it has more than the {LARGEST:,} bytes that are read")
    return _decode(data)


def _decode(data: bytes) -> Source:
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        if _ASCII.decode(encoding) != _ASCII.decode("ascii"):
            return Source(problem=f"{encoding} is no encoding for source files; save it as UTF-8")
        text = data.decode(encoding)
    except (SyntaxError, UnicodeError, LookupError) as error:
        return Source(problem=f"it is not UTF-8 text ({one_line(str(error))[:_LONGEST_REASON]}); save it as UTF-8")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not encoding.startswith("utf-8"):
        head = "\n".join(text.split("\n", 2)[:2])
        text = _DECLARATION.sub(r"\1utf-8", head, count=1) + text[len(head) :]
    return Source(text=text)


def read_own(path: Path) -> str:
    """The text of `path`, a file of an exercise folder.

    Raises:
        CatalogError: It is not there or cannot be read.
    """
    source = read_source(path)
    if source.problem:
        missing = not path.exists()
        raise CatalogError(f"{one_line(path)}: {'there is no such file' if missing else source.problem}")
    return source.text


def one_line(text: str | Path) -> str:
    """`text` with every character that is not printable written as an escape, so that it fits in one line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(text))
