"""nbgrader's gradebook, filled through its own API: on SQLite, and on a PostgreSQL that the tests start."""

import csv
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from autograder.catalog import Course
from autograder.catalog.submissions import find_submissions
from autograder.checks.tasks import Task
from autograder.classroom.grading import make_tasks
from autograder.cli import main
from autograder.errors import UsageError
from autograder.records import Kind, Outcome, Result, Verdict
from tests import postgres
from tests.fakes import CHECKS, make_course
from tests.test_cli import TRUST

pytest.importorskip("nbgrader")

from nbgrader.api import Grade, Gradebook

from autograder.classroom import gradebook
from autograder.classroom.gradebook import GradebookWriter
from autograder.classroom.graded_notebooks import LONGEST_COMMENT

RIGHT = "def double(n):\n    return 2 * n\n"
ONLY_21 = "def double(n):\n    return 42  # <b>&amp;\x1b[31m\u202e\n"
ONLY_21_SHOWN = "def double(n):\n    return 42  # <b>&amp;\\x1b[31m\\u202e\n"
LATE_IS_ZERO = "c = get_config()\nc.LateSubmissionPlugin.penalty_method = 'zero'\n"

#: nbgrader's own commands, in one process: to import them takes longer than their work.
COMMANDS = """
import sys
from nbgrader.apps import ExportApp, GenerateFeedbackApp

url, assignment = sys.argv[1:]
ExportApp.launch_instance([f"--CourseDirectory.db_url={url}", "--to", "grades.csv"])
ExportApp.clear_instance()
GenerateFeedbackApp.launch_instance([assignment, f"--CourseDirectory.db_url={url}"])
"""

#: What a message might try. The last is refused by PostgreSQL as it is.
HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "```\n</code></pre><script>alert(2)</script>\n\n$$<script>alert(3)</script>$$ \\begin{a}<i>x</i>\\end{a}",
    "\n\n<script>alert(4)</script>\n# A heading\r<b>5</b>\x0b<b>6</b>\u2028<b>7</b>\n![](javascript:alert(8))",
    "\x1b]0;title\x07\x1b[31mred \u202ereversed \ud800 \x00",
)


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    """A PostgreSQL server; skips where there is none to be started."""
    with postgres.running() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of a database that is not there yet, or empty."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/gradebook.db"
    server: postgres.Server = request.getfixturevalue("server")
    return server.new_database()


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Course:
    """A course in the working directory: alice has handed in a file, bob a notebook."""
    monkeypatch.chdir(tmp_path)
    alice, bob = (tmp_path / "submitted" / student / "01_tiny" for student in ("alice", "bob"))
    for folder in (alice, bob):
        folder.mkdir(parents=True)
    (alice / "tiny.py").write_text(RIGHT)
    scribbles = {"cell_type": "markdown", "id": "x", "metadata": {}, "source": "<script>alert(0)</script>"}
    code = {"cell_type": "code", "id": "y", "metadata": {}, "source": f"%%exercise tiny\n{ONLY_21}"}
    cells = [scribbles, {**code, "execution_count": 1, "outputs": []}]
    (bob / "tiny.ipynb").write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}))
    return make_course(tmp_path)


def _tasks(course: Course) -> tuple[Task, ...]:
    return make_tasks(find_submissions([course.root / "submitted"], course)[0], course)


def _writer(url: str, course: Course) -> GradebookWriter:
    return GradebookWriter(url, course, _tasks(course))


def _result(student: str, *ends: Outcome, messages: tuple[str, ...] = ("", "Twice -1 is -2, not 42.")) -> Result:
    """Of both checks."""
    about = zip(("test_double", "test_others"), ("Twice a number.", "Other numbers, too."), (4.0, 6.0), strict=True)
    checks = tuple(
        Verdict(
            name=name,
            title=title,
            kind=Kind.CORRECTNESS,
            outcome=end,
            score=points if end is Outcome.PASSED else 0.0,
            points=points,
            message=message,
            hidden=name == "test_others",
        )
        for (name, title, points), end, message in zip(about, ends, messages, strict=True)
    )
    score = sum(check.score for check in checks)
    path = f"submitted/{student}/01_tiny/tiny.py"
    return Result(student=student, exercise="tiny", path=path, score=score, points=10.0, seconds=0.1, checks=checks)


ALICE = _result("alice", Outcome.PASSED, Outcome.PASSED)
BOB = _result("bob", Outcome.PASSED, Outcome.FAILED)


def _grades(book: Gradebook, student: str) -> dict[str, Grade]:
    notebook = book.find_submission_notebook("tiny", "01_tiny", student)
    return {grade.name: grade for grade in notebook.grades}


def _everything(url: str) -> dict[str, list[dict[str, Any]]]:
    """All that the gradebook says of marks and comments."""
    with Gradebook(url) as book:
        notebooks = book.notebook_submissions("tiny", "01_tiny")
        return {
            notebook.student.id: sorted(
                (grade.to_dict() for grade in notebook.grades), key=lambda one: str(one["name"])
            )
            + [comment.to_dict() for comment in notebook.comments]
            for notebook in notebooks
        }


def _cells(root: Path, student: str) -> dict[str, Any]:
    notebook = json.loads((root / "autograded" / student / "01_tiny" / "tiny.ipynb").read_text())
    return {cell["id"]: cell for cell in notebook["cells"]}


def test_a_file_and_a_notebook_are_written_alike(url: str, course: Course) -> None:
    """Marks and comments are in the gradebook; the notebook for formgrader has the work and what the checks say."""
    writer = _writer(url, course)
    writer(ALICE)
    writer(BOB)
    assert () == writer.finish([ALICE, BOB])
    with Gradebook(url) as book:
        found = {
            s.student.id: (s.score, s.max_score, s.needs_manual_grade) for s in book.assignment_submissions("01_tiny")
        }
        assert {"alice": (10.0, 10.0, False), "bob": (4.0, 10.0, False)} == found
        assert {"test_double": 4.0, "hidden_1": 0.0} == {n: g.auto_score for n, g in _grades(book, "bob").items()}
        comments = {s: book.find_comment("tiny", "tiny", "01_tiny", s).comment for s in ("alice", "bob")}
    told = "✗ failed: 0 of 6 points. Other numbers, too.\nTwice -1 is -2, not 42."
    assert {"alice": None, "bob": "    " + told.replace("\n", "\n    ")} == comments
    for student, code in (("alice", RIGHT), ("bob", ONLY_21_SHOWN)):
        cells = _cells(course.root, student)
        assert ["handout", "setup", "tiny", "check", "test_double", "hidden_1"] == list(cells), (
            "no cell of the student's"
        )
        assert f"%%exercise tiny\n{code}".rstrip("\n") == "".join(cells["tiny"]["source"])
    assert told + "\n" == "".join(cells["hidden_1"]["outputs"][0]["text"])
    assert "<table" in "".join(cells["check"]["outputs"][0]["data"]["text/html"])


def test_regrading_keeps_what_a_person_changed(url: str, course: Course) -> None:
    """A mark, extra credit and a comment stay; where the grader's mark is another one now, a person looks again."""
    _writer(url, course)(BOB)
    with Gradebook(url) as book:
        grade = _grades(book, "bob")["hidden_1"]
        grade.manual_score, grade.extra_credit, grade.needs_manual_grade = 3.0, 0.5, False
        book.find_comment("tiny", "tiny", "01_tiny", "bob").manual_comment = "Well tried."
        book.db.commit()
    for result, again, mark in ((BOB, False, 0.0), (_result("bob", Outcome.PASSED, Outcome.PASSED), True, 6.0)):
        _writer(url, course)(result)
        with Gradebook(url) as book:
            grade = _grades(book, "bob")["hidden_1"]
            assert (3.0, 0.5, mark) == (grade.manual_score, grade.extra_credit, grade.auto_score)
            assert again is grade.needs_manual_grade
            assert 7.5 == book.find_submission("01_tiny", "bob").score
            assert "Well tried." == book.find_comment("tiny", "tiny", "01_tiny", "bob").comment


@pytest.mark.parametrize("end", [Outcome.INCONCLUSIVE, Outcome.ERROR])
def test_what_is_not_judged_waits_for_a_person(url: str, course: Course, end: Outcome) -> None:
    """There is no mark, not even 0, until a person gives one or it is graded again; and the cell says so."""
    assert {"alice": None, "bob": None} == {
        s: _writer(url, course)(_result(s, Outcome.PASSED, end)) for s in ("alice", "bob")
    }
    with Gradebook(url) as book:
        grade = _grades(book, "bob")["hidden_1"]
        assert (None, True) == (grade.auto_score, grade.needs_manual_grade)
        assert not _grades(book, "bob")["test_double"].needs_manual_grade
        assert book.find_submission("01_tiny", "bob").needs_manual_grade
        grade.manual_score, grade.needs_manual_grade = 5.0, False  # as formgrader does
        book.db.commit()
    said = "".join(_cells(course.root, "bob")["hidden_1"]["outputs"][0]["text"])
    assert "a person decides about 6 points" in said
    _writer(url, course)(_result("bob", Outcome.PASSED, end))
    _writer(url, course)(ALICE)
    with Gradebook(url) as book:
        assert (False, 9.0) == (
            _grades(book, "bob")["hidden_1"].needs_manual_grade,
            book.find_submission("01_tiny", "bob").score,
        )
        assert (6.0, False) == (
            _grades(book, "alice")["hidden_1"].auto_score,
            book.find_submission("01_tiny", "alice").needs_manual_grade,
        )


def test_written_twice_is_written_once(url: str, course: Course) -> None:
    """Nothing changes when the same results are written again, and no file is written half."""
    first = _writer(url, course)
    assert () == first.finish([ALICE, BOB])
    before = _everything(url), _cells(course.root, "bob")
    assert () == _writer(url, course).finish([ALICE, BOB])
    assert before == (_everything(url), _cells(course.root, "bob"))
    assert ["alice", "bob"] == sorted(before[0])
    assert ["tiny.ipynb"] == [path.name for path in (course.root / "autograded" / "bob" / "01_tiny").iterdir()]


@pytest.mark.parametrize(
    "failure", [KeyboardInterrupt, OSError(28, "No space left on device")], ids=["stopped", "full"]
)
def test_a_submission_is_written_as_a_whole_or_not_at_all(
    url: str, course: Course, monkeypatch: pytest.MonkeyPatch, failure: Any
) -> None:
    """Stopped when all marks are set but the notebook is not there, the gradebook has the state from before."""
    writer = _writer(url, course)
    writer(ALICE)
    before = _everything(url)

    def put(*_: object) -> None:
        raise failure

    better, worse = _result("bob", Outcome.PASSED, Outcome.PASSED), _result("alice", Outcome.FAILED, Outcome.FAILED)
    with monkeypatch.context() as patch:
        patch.setattr(gradebook, "_put", put)
        for result in (better, worse):
            if failure is KeyboardInterrupt:
                with pytest.raises(KeyboardInterrupt):
                    writer(result)
            else:
                writer(result)
    with Gradebook(url) as book:
        assert ["alice"] == [student.id for student in book.students]
    assert before == _everything(url)
    assert () == writer.finish([ALICE, better])
    assert ["alice", "bob"] == sorted(_everything(url))


class _Seen(HTMLParser):
    """Tags and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, str]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, str(attrs)))

    def handle_data(self, data: str) -> None:
        inside = self.tags[-1][0] if self.tags else ""
        if "alert(" in data:
            assert inside not in ("script", "style"), data
        self.text += data


def test_nbgrader_exports_and_gives_feedback(url: str, course: Course) -> None:
    """Its own commands make the table of marks and the students' pages, and there hostile messages are text."""
    hostile = _result(
        "bob", Outcome.PASSED, Outcome.FAILED, messages=("", "Twice -1 is -2, not 42.\n" + "\n".join(HOSTILE))
    )
    assert () == _writer(url, course).finish([ALICE, hostile])
    environment = {**os.environ, "JUPYTER_PLATFORM_DIRS": "1", "HOME": str(course.root)}
    command = [sys.executable, "-c", COMMANDS, url, "01_tiny"]
    done = subprocess.run(command, cwd=course.root, env=environment, capture_output=True, text=True, timeout=200)
    assert 0 == done.returncode, done.stderr

    with (course.root / "grades.csv").open() as table:
        rows = {row["student_id"]: row for row in csv.DictReader(table)}
    assert {"alice": ("01_tiny", "10.0", "10.0"), "bob": ("01_tiny", "4.0", "10.0")} == {
        student: (row["assignment"], row["score"], row["max_score"]) for student, row in rows.items()
    }
    alice, bob = (
        (course.root / "feedback" / student / "01_tiny" / "tiny.html").read_text() for student in ("alice", "bob")
    )
    page, usual = _Seen(bob), _Seen(alice)
    assert "✗ failed: 0 of 6 points. Other numbers, too.\nTwice -1 is -2, not 42." in page.text
    assert 3 <= page.text.count("<script>alert(1)</script>"), "in the comment, the table and the cell, as text"
    assert "return 42  # <b>&amp;\\x1b[31m" in page.text, "the work as it is"
    for tag in ("script", "img", "i", "h1"):
        assert [t for t in usual.tags if t[0] == tag] == [t for t in page.tags if t[0] == tag], (
            "nothing more than usual"
        )
    assert not set("\x1b\x07\x00\u202e\ud800") & set(bob)


def test_a_very_long_message_is_cut_in_the_comment(url: str, course: Course) -> None:
    """A person can still read the page; the cell of the check has the message."""
    _writer(url, course)(_result("bob", Outcome.FAILED, Outcome.FAILED, messages=("", "many words " * 10_000)))
    with Gradebook(url) as book:
        comment = book.find_comment("tiny", "tiny", "01_tiny", "bob").comment
    assert LONGEST_COMMENT < len(comment) < 1.1 * LONGEST_COMMENT
    assert comment.endswith("the cells of the checks have all of it)")
    assert 100_000 < len("".join(_cells(course.root, "bob")["hidden_1"]["outputs"][0]["text"]))


def test_a_gradebook_that_nbgrader_would_not_look_at_is_told(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    """Marks in another database than formgrader's would be missed there; however the same one is spelled, nothing is said."""
    monkeypatch.chdir(course.root / "submitted")
    config = course.root / "nbgrader_config.py"
    assert [] == _writer("sqlite:///elsewhere.db", course).warnings, "without a configuration nobody knows"
    config.write_text("c = get_config()\n")
    assert [] == _writer("sqlite:///../gradebook.db", course).warnings
    (warning,) = _writer("sqlite:///elsewhere.db", course).warnings
    assert "gradebook sqlite:///elsewhere.db: formgrader and nbgrader look at another one" in warning
    config.write_text("c = get_config()\nc.CourseDirectory.db_url = 'postgresql://me:secret@there/marks'\n")
    (warning,) = _writer("sqlite:///elsewhere.db", course).warnings
    assert "postgresql://me:***@there/marks" in warning
    config.write_text("c = get_config()\nc.CourseDirectory.db_url = 'sqlite:///:memory:'\n")
    assert [] == _writer("sqlite:///elsewhere.db", course).warnings, "nbgrader itself says what is wrong with that"


def test_when_it_was_handed_in_is_kept_and_late_costs_what_the_course_says(url: str, course: Course) -> None:
    """nbgrader's ``timestamp.txt`` is read; a time that is none is told and not taken."""
    (course.root / "nbgrader_config.py").write_text(LATE_IS_ZERO)
    alice, bob = (course.root / "submitted" / student / "01_tiny" / "timestamp.txt" for student in ("alice", "bob"))
    alice.write_text("2026-03-02 12:00:00.000000 UTC\n")
    bob.write_text("\x1b[31m yesterday")
    writer = _writer(url, course)
    assert ["bob"] == [
        student
        for student in ("alice", "bob")
        for line in writer.warnings
        if f"{student}/01_tiny/timestamp.txt" in line
    ]
    with Gradebook(url) as book:
        book.update_or_create_assignment("01_tiny", duedate="2026-03-02 11:00:00 UTC")
    assert () == writer.finish([ALICE, BOB])
    with Gradebook(url) as book:
        late, unknown = (book.find_submission("01_tiny", student) for student in ("alice", "bob"))
        assert ("2026-03-02T12:00:00", 3600.0) == (late.timestamp.isoformat(), late.total_seconds_late)
        assert (10.0, 0.0) == (late.late_submission_penalty, unknown.late_submission_penalty)
        assert unknown.timestamp is None
        book.update_or_create_assignment("01_tiny", duedate="2026-03-02 13:00:00 UTC")
    _writer(url, course)(ALICE)
    with Gradebook(url) as book:
        assert 0.0 == book.find_submission("01_tiny", "alice").late_submission_penalty
    assert (
        "2026-03-02 12:00:00 UTC\n" == (course.root / "autograded" / "alice" / "01_tiny" / "timestamp.txt").read_text()
    )


def test_other_checks_than_those_in_the_gradebook_are_told(url: str, course: Course) -> None:
    """Marks of another set of checks are not mixed in; new points are, while nobody is graded."""
    tests = course.root / "solutions" / "01_tiny" / "test_tiny.py"
    tests.write_text(CHECKS.replace("points(4)", "points(3)"))
    _writer(url, course)
    tests.write_text(CHECKS)
    _writer(url, course)(ALICE)
    tests.write_text(CHECKS.replace("test_double", "test_twice"))
    with pytest.raises(UsageError, match=r"graded by other checks.*nbgrader db assignment remove 01_tiny"):
        _writer(url, course)
    with Gradebook(url) as book:
        assert (10.0, 10.0) == (
            book.find_submission("01_tiny", "alice").score,
            book.find_assignment("01_tiny").max_score,
        )


def test_a_gradebook_that_goes_away_is_waited_for(course: Course) -> None:
    """What cannot be written is told at the end, and is written once it can be."""
    path = course.root / "gradebook.db"
    writer = _writer("sqlite:///gradebook.db", course)
    shutil.move(path, "kept")
    path.write_bytes(b"nonsense" * 1000)
    writer(ALICE)
    (line,) = writer.finish([ALICE, BOB])
    assert "file is not a database" in line
    shutil.move("kept", path)
    assert () == writer.finish([ALICE, BOB])
    assert ["alice", "bob"] == sorted(_everything("sqlite:///gradebook.db"))


def test_two_submissions_of_one_student_are_refused(course: Course) -> None:
    """Which of them would count is nothing to be decided by their order."""
    shutil.copytree("submitted", "earlier")
    paths = [Path("submitted"), Path("earlier")]
    tasks = make_tasks(find_submissions(paths, course)[0], course)
    with pytest.raises(UsageError, match="a second submission of 'alice' for tiny, beside"):
        GradebookWriter("sqlite:///gradebook.db", course, tasks)


def test_a_student_is_called_as_the_folder_with_escapes_for_what_is_obeyed(url: str, course: Course) -> None:
    """Bytes that are no text, quotes, and signs that a terminal or a page would obey, are in the name and do nothing."""
    submitted = course.root / "submitted"
    (submitted / "bob").rename(submitted / os.fsdecode(b"\x1b[31m\xe4'<b>%s{x}"))
    name = "\\x1b[31m\\udce4'<b>%s{x}"
    assert () == _writer(url, course).finish([_result(name, Outcome.PASSED, Outcome.FAILED)])
    with Gradebook(url) as book:
        assert {name: 4.0} == {s.student.id: s.score for s in book.assignment_submissions("01_tiny")}
    assert "Twice -1" in "".join(_cells(course.root, name)["hidden_1"]["outputs"][0]["text"])


def test_a_name_that_a_gradebook_does_not_take_is_told(course: Course) -> None:
    """PostgreSQL would refuse it after all the work."""
    (course.root / "submitted" / "bob").rename(course.root / "submitted" / ("b" * 129))
    with pytest.raises(UsageError, match="more than the 128 characters"):
        _writer("sqlite:///gradebook.db", course)


def test_a_course_without_its_sources_has_no_gradebook(course: Course) -> None:
    """Hidden checks would have no cell in it."""
    (course.root / "solutions").rename(course.root / "assignments")
    with pytest.raises(UsageError, match="has no 'solutions'"):
        _writer("sqlite:///gradebook.db", course)


# -- the command ----------------------------------------------------------------------------------------------


@pytest.fixture
def grade(course: Course) -> Callable[..., Any]:
    """Runs ``autograder grade submitted``, and gives status, standard output and standard error."""

    def grade(*arguments: str) -> tuple[int, str, str]:
        done = CliRunner().invoke(main, ["grade", *TRUST, str(course.root / "submitted"), *arguments])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
        return done.exit_code, done.stdout, done.stderr

    return grade


def _broken(name: str, course: Course) -> str:
    if name == "schema":
        _writer("sqlite:///old.db", course)
        with sqlite3.connect("old.db") as connection:
            connection.execute("UPDATE alembic_version SET version_num = '724cde206c17'")
        connection.close()
        return "sqlite:///old.db"
    if name == "foreign":
        with sqlite3.connect("other.db") as connection:
            connection.execute("CREATE TABLE cats (name TEXT)")
        connection.close()
        return "sqlite:///other.db"
    return name


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("gradebook.db", "no URL of a database"),
        ("postgresql://x:secret@host:port/y", "no URL of a database"),
        ("sqlite://", "a gradebook in memory is lost"),
        ("sqlite:///missing/gradebook.db", "unable to open database file"),
        ("sqlite:///solutions/01_tiny/tiny.py", "file is not a database"),
        ("postgres://x:secret@localhost/y", "a URL begins with"),
        ("mysql+pymysql://x:secret@localhost/y", "driver is not installed"),
        ("schema", "its schema is 724cde206c17.*nbgrader db upgrade"),
        ("foreign", "tables in it, but not a gradebook's"),
    ],
)
def test_a_gradebook_that_cannot_be_used_is_told_in_one_line_before_the_work(
    grade: Callable[..., Any], course: Course, name: str, told: str
) -> None:
    """Status 2, cause and remedy, and no password; nothing is graded or made."""
    url = _broken(name, course)
    before = sorted(Path().iterdir())
    status, output, errors = grade("--gradebook", url, "--json", "result.json")
    assert (2, "", 1) == (status, output, errors.count("\n")), errors
    assert re.search(told, errors), errors
    assert "secret" not in errors
    assert before == sorted(Path().iterdir())


def test_a_server_that_does_not_answer_is_told_in_one_line(grade: Callable[..., Any]) -> None:
    """As it is when PostgreSQL is down."""
    pytest.importorskip("psycopg")
    status, output, errors = grade("--gradebook", f"postgresql://x:secret@/y?host={Path().absolute()}")
    assert (2, "", 1) == (status, output, errors.count("\n")), errors
    assert "failed: No such file or directory" in errors
    assert "secret" not in errors


def test_without_nbgrader_the_remedy_is_told(grade: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """One line."""
    for name in [name for name in sys.modules if name.startswith(("nbgrader", "autograder.classroom.gradebook"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "nbgrader", None)
    status, _, errors = grade("--gradebook", "sqlite:///gradebook.db")
    assert (2, 1) == (status, errors.count("\n"))
    assert "pip install 'autograder[nbgrader]'" in errors


def test_what_cannot_be_written_costs_no_marks(grade: Callable[..., Any]) -> None:
    """Marks are printed, the JSON is written, and the next run writes them without grading again."""
    Path("autograded").write_text("in the way")
    status, output, errors = grade("--gradebook", "sqlite:///gradebook.db", "--json", "result.json")
    assert 2 == status
    assert "autograded" in errors
    assert ("alice" in output, "bob" in output) == (True, True)
    assert [10.0, 4.0] == [result["score"] for result in json.loads(Path("result.json").read_text())["results"]]
    graded = Path("result.json.autograder-journal").read_bytes()
    assert 2 == graded.count(b"\n")

    Path("autograded").unlink()
    again = json.loads(Path("result.json").read_text())["results"]
    status, _, errors = grade("--gradebook", "sqlite:///gradebook.db", "--json", "result.json", "--fail-under", "60")
    assert (0, "autograder: 2 of 2 submissions were graded by the run before\n") == (status, errors)
    assert again == json.loads(Path("result.json").read_text())["results"], "seconds, too: nobody was graded again"
    assert not Path("result.json.autograder-journal").exists()
    with Gradebook("sqlite:///gradebook.db") as book:
        assert [10.0, 4.0] == [book.find_submission("01_tiny", student).score for student in ("alice", "bob")]


def test_timelines_are_drawn_in_the_notebook(grade: Callable[..., Any], course: Course) -> None:
    """They need no JSON then."""
    status, _, errors = grade("--gradebook", "sqlite:///gradebook.db", "--timelines")
    assert (0, "") == (status, errors)
    table = "".join(_cells(course.root, "alice")["check"]["outputs"][0]["data"]["text/html"])
    assert "double(21)" in table
    assert "ready, but no core free" in table


def test_a_stopped_run_leaves_whole_submissions_and_goes_on(course: Course) -> None:
    """Ctrl-C in the middle of a class: who is in the gradebook has all marks and a notebook; the next run adds the rest."""
    slow = "import time\n\n\ndef double(n):\n    time.sleep(0.1)\n    return 2 * n\n"
    for number in range(6):
        folder = course.root / "submitted" / f"student{number}" / "01_tiny"
        folder.mkdir(parents=True)
        (folder / "tiny.py").write_text(slow)
    url = "sqlite:///gradebook.db"
    arguments = ["grade", *TRUST, "submitted", "--json", "result.json", "--gradebook", url]
    command = [sys.executable, "-c", "from autograder.cli import main; main()", *arguments]

    def start() -> "subprocess.Popen[str]":
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    first = start()
    try:
        deadline = time.monotonic() + 100
        while len(list(Path().glob("autograded/*/01_tiny/tiny.ipynb"))) < 3:
            assert first.poll() is None, first.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        first.send_signal(signal.SIGINT)
        _, errors = first.communicate(timeout=100)
    finally:
        first.kill()
        first.communicate()
    assert 130 == first.returncode, errors
    graded = [result["student"] for result in json.loads(Path("result.json").read_text())["results"]]
    assert 3 <= len(graded) < 8
    assert graded == sorted(_everything(url)), "what was graded is in it, and nothing else"
    with Gradebook(url) as book:
        assert {4.0, 10.0} == {book.find_submission("01_tiny", student).score for student in graded}
    second = start()
    _, errors = second.communicate(timeout=200)
    assert 0 == second.returncode, errors
    assert 8 == len(_everything(url))
