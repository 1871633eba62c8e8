"""The reader of submissions against files of all kinds: a text or a problem in one line, and never anything else."""

import codecs
import contextlib
import encodings.aliases
import json
import os
import tempfile
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from autograder.catalog import Course, find_submissions
from autograder.catalog.notebooks import LARGEST_NOTEBOOK, read_notebook
from autograder.catalog.text import LARGEST, Source, read_source
from autograder.errors import SubmissionNotFoundError, UsageError

ENCODINGS = sorted({*encodings.aliases.aliases, *encodings.aliases.aliases.values()})
#: Nobody, on every system that has one.
NOBODY = 65534


def _one_line(text: str) -> bool:
    return text.isprintable() and 0 < len(text) < 400


def _is_sound(source: Source) -> bool:
    """Whether there is a text that can be written, or a problem that can be shown."""
    source.text.encode()
    return _one_line(source.problem) and not source.text if source.problem else "\r" not in source.text


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file to be written over and over."""
    return tmp_path_factory.mktemp("read") / "race.py"


HEADS = st.sampled_from(
    [b"", b"", codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF32_BE, b"#!/bin/python\n", b"\r", b"\0"]
)
DECLARED = st.builds(
    lambda words, name: words % name.encode("utf-8", "surrogatepass"),
    st.sampled_from(
        [b"# coding: %s\n", b"# -*- coding:%s -*-\r\n", b"#\t\x0ccoding=%s\r", b"\n# vim: fileencoding=%s"]
    ),
    st.sampled_from(ENCODINGS) | st.text(max_size=10) | st.sampled_from(["utf-8-", "UTF_8-sig", "..", "-", "a" * 5000]),
)
BODIES = (
    st.binary(max_size=60) | st.text(max_size=30).map(str.encode) | st.sampled_from([bytes(range(256)), b"\r\r\n\n\r"])
)


@given(HEADS, st.just(b"") | DECLARED, BODIES)
@example(b"", b"# coding: " + b"x" * 900_000, b"")
def test_any_bytes_are_a_text_or_a_problem(place: Path, head: bytes, declared: bytes, body: bytes) -> None:
    """BOMs, declarations and bytes that contradict one another never raise, and what is said about them is short."""
    place.write_bytes(head + declared + body)
    assert _is_sound(read_source(place))


@pytest.mark.parametrize(
    "body", [bytes(range(128)), bytes(range(256)), b"+2AA-", b"\\ud800", b"~{<:Ky2;S{#,NpJ)l6HK!#~}"]
)
def test_no_encoding_of_python_does_harm(place: Path, body: bytes) -> None:
    """Under the name of each encoding that Python knows, whatever it does with the bytes."""
    for name in ENCODINGS:
        place.write_bytes(b"# coding: " + name.encode() + b"\n" + body)
        assert _is_sound(read_source(place)), name


def test_what_is_huge_is_not_read(place: Path) -> None:
    """50 MB of text, or a terabyte of nothing, take no memory."""
    with place.open("wb") as file:
        file.write(b"#" * 50_000_000)
    tracemalloc.start()
    large = read_source(place)
    os.truncate(place, 2**40)
    larger = read_source(place)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert ["50,000,000", "1,099,511,627,776"] == [found.problem.split()[2] for found in (large, larger)]
    assert peak < 2 * LARGEST
    os.truncate(place, 0)


def test_the_largest_text_takes_bounded_memory(place: Path) -> None:
    """A text whose letters need four bytes each takes no more than some times the largest file."""
    place.write_bytes(b"\r" * (LARGEST - 4) + "\U0001f600".encode())
    tracemalloc.start()
    source = read_source(place)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert LARGEST - 3 == len(source.text)
    assert peak < 16 * LARGEST


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="needs /proc")
def test_a_file_that_hides_its_size_is_read_to_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of /proc has zero bytes, it says; what it gives is cut off at the limit as well."""
    monkeypatch.setattr("autograder.catalog.text.LARGEST", 100)
    assert "it has more than the 100 bytes that are read" == read_source(Path("/proc/self/smaps")).problem


@pytest.mark.parametrize("name", ["null\0.py", "x" * 5000 + ".py", "/dev/zero", "/", "race.py/race.py"])
def test_no_path_is_waited_for(tmp_path: Path, name: str) -> None:
    """Devices, names that no file can have, and files taken for folders have a problem at once."""
    (tmp_path / "race.py").touch()
    assert _one_line(read_source(tmp_path / name).problem)


#: What a link leads to. None of it is ever written: things that are no links come first, and nothing below a link.
TARGETS = ("/dev/zero", "race.py", "..", "../..", "nowhere", "race.ipynb", "03_race", "SECRET")
KINDS = st.sampled_from(["text", "text", "bytes", "huge", "folder", "pipe", *TARGETS])


def _fill(path: Path, kind: str, secret: Path) -> None:
    """Makes a thing of some kind at `path`; only where nothing is."""
    if any(folder.is_symlink() for folder in path.parents):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    match kind:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "text" | "bytes" | "huge":
            with path.open("xb") as file:  # "x" follows no link and opens nothing that is there
                file.write(b"x = 1\n" if kind == "text" else b"\xff\0")
                if kind == "huge":
                    file.truncate(50_000_000)
        case _:
            path.symlink_to(secret if kind == "SECRET" else kind)


NAMES = st.sampled_from(
    [
        "race.py",
        "race.ipynb",
        "seeding.py",
        "03_race",
        "04_seeding",
        "09_strange",
        "alice",
        ".git",
        "__pycache__",
        "RACE.PY",
    ]
) | st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=20).filter(
    lambda name: name not in (".", "..")
)
TREES = st.lists(st.tuples(st.lists(NAMES, min_size=1, max_size=4).map("/".join), KINDS), max_size=12)


@pytest.fixture(scope="module")
def small_course() -> Iterator[Course]:
    """A course that lives as long as all examples, and that everybody may read."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield _small_course(Path(name))


def _small_course(root: Path) -> Course:
    for folder, name in (("03_race", "race"), ("04_seeding", "seeding")):
        (root / "solutions" / folder).mkdir(parents=True)
        (root / "solutions" / folder / f"{name}.py").touch()
        (root / "solutions" / folder / "exercise.toml").write_text(
            f'name = "{name}"\norder = {int(folder[:2])}\ntitle = "A title"\nsummary = "A summary."\nminutes = 20\n'
            'hints = ["Which?", "Look there.", "First this, then that."]\noffers = ["f"]\n'
        )
    return Course(root)


@given(TREES, NAMES, st.none() | st.just("race"))
def test_any_tree_is_submissions_or_one_clear_line(
    small_course: Course, tree: list[tuple[str, str]], given_name: str, exercise: str | None
) -> None:
    """Files, folders, pipes and links under any names, anywhere: each is taken, told in one line, or left alone."""
    with tempfile.TemporaryDirectory() as name:
        root, secret = Path(name).resolve() / "root", Path(name).resolve() / "secret.py"
        root.mkdir()
        secret.write_text("secret = 1\n")
        for where, kind in sorted(tree, key=lambda item: item[1] in TARGETS):
            with contextlib.suppress(OSError):  # something else is there, or such a thing cannot be there
                _fill(root / where, kind, secret)
        for paths in ([root], [root / given_name], [*sorted(root.iterdir()), root]):
            for line in _told(paths, small_course, exercise, root):
                assert line.isprintable()
        assert "secret = 1\n" == secret.read_text()


def _told(paths: list[Path], course: Course, exercise: str | None, root: Path) -> tuple[str, ...]:
    """What is said about `paths`; what is found in them is sound."""
    try:
        found, warnings = find_submissions(paths, course, exercise)
    except UsageError as error:
        return (str(error),)
    assert all(_is_sound(Source(submission.source, submission.problem)) for submission in found)
    if paths == [root]:  # links in paths that are given are followed
        assert [] == [submission for submission in found if "secret" in submission.source]
    return (*warnings, *(submission.student for submission in found))


@pytest.mark.parametrize("name", ["null\0", "x" * 5000, "a\0/race.py"])
def test_a_path_that_no_file_can_have_is_not_there(course: Course, tmp_path: Path, name: str) -> None:
    """A name with a null character, or one too long, is no such file."""
    with pytest.raises(SubmissionNotFoundError, match="no such file or folder") as error:
        find_submissions([tmp_path / name], course)
    assert str(error.value).isprintable()


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    """A folder of somebody who may not read everything; the superuser becomes him for a while."""
    root = os.geteuid() == 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if root:
            folder.chmod(0o777)
            os.seteuid(NOBODY)
        try:
            yield folder
        finally:
            if root:
                os.seteuid(0)
            for path in folder.iterdir():
                path.chmod(0o700)


def _student(folder: Path) -> Path:
    (folder / "03_race").mkdir(parents=True)
    (folder / "03_race" / "race.py").write_text("x = 1\n")
    (folder / "09_strange").mkdir()
    return folder


@pytest.mark.parametrize("mode", [0o000, 0o444, 0o111, 0o666])
def test_what_may_not_be_read_does_not_stop_a_class(small_course: Course, as_nobody: Path, mode: int) -> None:
    """Folders that cannot be entered or listed, and files that cannot be read, are told; all others are graded."""
    closed, file, _ = (_student(as_nobody / name) for name in ("alice", "bob", "eve"))
    (file / "03_race" / "race.py").chmod(mode & 0o111)
    closed.chmod(mode)
    found, warnings = find_submissions([as_nobody], small_course)
    by_student = {submission.student: submission for submission in found}
    assert ("x = 1\n", "") == (by_student["eve"].source, by_student["eve"].problem)
    assert "it cannot be read: Permission denied" == by_student["bob"].problem
    assert (
        _one_line(by_student["alice"].problem) if "alice" in by_student else any("alice" in line for line in warnings)
    )


def test_a_course_without_exercises_has_nothing_to_grade(tmp_path: Path) -> None:
    """Where there is no exercise, or none that one may read, one line says so."""
    (tmp_path / "race.py").touch()
    with pytest.raises(SubmissionNotFoundError, match=r"nothing to grade: .* the course has none"):
        find_submissions([tmp_path], Course(tmp_path / "empty"))


CELLS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
SOURCES = st.builds(
    lambda head, body: head + body,
    st.sampled_from(["%%exercise race\n", "%%exercise 03_race\r\n", "\ufeff%%exercise race\n", "%%exercise race"]),
    st.text(st.sampled_from("%!= \n\r\t\0\\\"'()[]{}#ab:\x0c\ud800é"), max_size=40),
)
NOTEBOOKS = st.builds(
    lambda number, kind, source, other: {"nbformat": number, "cells": [other, {"cell_type": kind, "source": source}]},
    st.sampled_from([4, 4, 4, 3, 10**30, "4", None]),
    st.sampled_from(["code", "code", "code", "markdown", 5]),
    SOURCES | SOURCES.map(lambda text: text.splitlines(True)) | CELLS,
    CELLS | st.just({"cell_type": "raw"}),
)


@given(st.binary(max_size=60) | (NOTEBOOKS | CELLS).map(json.dumps).map(str.encode), st.integers(0, 200))
def test_any_bytes_are_a_notebook_or_a_problem(place: Path, data: bytes, cut: int) -> None:
    """JSON of any shape, cells of any text, and what is cut off: a module that can be written, or one short line."""
    for content in (data, data[:cut], codecs.BOM_UTF8 + data):
        place.write_bytes(content)
        assert _is_sound(read_notebook(place, "race"))


def _cell(source: str) -> bytes:
    return json.dumps(
        {"nbformat": 4, "cells": [{"cell_type": "code", "source": "%%exercise race\n" + source}]}
    ).encode()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"[" * 5_000_000, id="lists within lists"),
        pytest.param(b'{"nbformat":4,"cells":' + b"[" * 5_000_000, id="lists for cells"),
        pytest.param(b'{"nbformat":4,"cells":[' + b'{"cell_type":""},' * 500_000, id="half a million cells"),
        pytest.param(b'{"nbformat":4,"' + b"x" * 5_000_000 + b'":1}', id="a long key"),
        pytest.param(b'{"nbformat":1' + b"0" * 5_000_000 + b"}", id="a long number"),
        pytest.param(_cell("%a\n" + "(" * 300_000), id="brackets"),
        pytest.param(_cell('%a\n"""' + "\n" * 300_000), id="a text without end"),
        pytest.param(_cell("%a\n" + "\\\n" * 200_000), id="a line without end"),
        pytest.param(_cell("".join(f"{' ' * depth}if 1:\n" for depth in range(700)) + "%a\n"), id="indentation"),
    ],
)
def test_a_huge_notebook_takes_bounded_memory(place: Path, data: bytes) -> None:
    """Whatever fills a notebook, reading it takes no more than some times its length."""
    place.write_bytes(data)
    tracemalloc.start()
    source = read_notebook(place, "race")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert _is_sound(source)
    assert peak < 16 * len(data) + 2 * LARGEST_NOTEBOOK  # as much is asked for before it is read
