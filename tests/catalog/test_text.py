"""Reading whatever students hand in."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.catalog.text import LARGEST, one_line, read_source


def _read(tmp_path: Path, data: bytes) -> tuple[str, str]:
    path = tmp_path / "race.py"
    path.write_bytes(data)
    source = read_source(path)
    return source.text, source.problem


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"x = 1", "x = 1"),
        (b"x = 1\r\ny = 2\rz = 3\n", "x = 1\ny = 2\nz = 3\n"),
        (b"\xef\xbb\xbfx = 1\n", "x = 1\n"),
        ("x = 'é'\n".encode(), "x = 'é'\n"),
        (b"# coding: latin-1\nx = '\xe9'\n", "# coding: utf-8\nx = 'é'\n"),
        (
            b"#!/bin/python\n# -*- coding: cp1252 -*-\nx\n# coding: y",
            "#!/bin/python\n# -*- coding: utf-8 -*-\nx\n# coding: y",
        ),
        (b"# coding: latin-1", "# coding: utf-8"),
        (b"\n\n# coding: nonsense\n", "\n\n# coding: nonsense\n"),
    ],
)
def test_text_is_read_as_python_reads_it(tmp_path: Path, data: bytes, text: str) -> None:
    """Declared encodings are followed; what comes out can be written as UTF-8 and means the same."""
    assert (text, "") == _read(tmp_path, data)


@pytest.mark.parametrize(
    "data",
    [
        b"x = '\xe9'\n",
        b"# coding: utf-8\nx = '\xe9'\n",
        b"# coding: no-such-encoding\n",
        b"\xef\xbb\xbf# coding: latin-1\n",
        b"\xff\xfex\x00",
        *(
            f"# coding: {name}\nx = 1\n".encode()
            for name in ("rot13", "hex", "zlib", "punycode", "idna", "unicode_escape", "raw_unicode_escape")
        ),
        *(f"# coding: {name}\nx = 1\n".encode() for name in ("utf-16", "utf-7", "undefined", "cp037")),
    ],
)
def test_what_is_no_text_is_a_problem_in_one_line(tmp_path: Path, data: bytes) -> None:
    """No encoding makes the reader raise, run code or compute; the student is told to save as UTF-8."""
    text, problem = _read(tmp_path, data)
    assert text == ""
    assert "UTF-8" in problem
    assert "\n" not in problem


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    """One byte more than the limit is too much."""
    assert ("#" * LARGEST, "") == _read(tmp_path, b"#" * LARGEST)
    text, problem = _read(tmp_path, b"#" * (LARGEST + 1))
    assert text == ""
    assert "1,000,001" in problem


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    """A pipe would be waited for without end; folders, missing files and loops of links have no text."""
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "loop.py").symlink_to("loop.py")
    for name in ("pipe.py", "loop.py", "missing.py", "."):
        assert "" != read_source(tmp_path / name).problem


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_make_the_reader_raise(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """There is text or a problem, never both, and the text can be written as UTF-8."""
    text, problem = _read(tmp_path_factory.getbasetemp(), data)
    assert not (text and problem)
    text.encode()


@settings(deadline=None)
@given(st.text() | st.text(st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp"])))
def test_a_name_is_shown_on_one_line(text: str) -> None:
    """Whatever the name of a file, the line that names it is one printable line."""
    shown = one_line(text)
    assert shown.isprintable()
    if text.isprintable():
        assert text == shown
