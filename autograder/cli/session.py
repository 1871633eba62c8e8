"""From tasks to what is shown, written and given back as a status, for the commands that judge."""

import io
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autograder.cli.options import BELOW_MARK, FAULT, STOPPED, WRONG_USAGE
from autograder.errors import UsageError

if TYPE_CHECKING:  # the rooms are entered by the commands that need them: that is what keeps the start quick
    from rich.console import Console

    from autograder.catalog.exercises import Course
    from autograder.checks.tasks import Task
    from autograder.classroom.gradebook import GradebookWriter
    from autograder.classroom.progress import ProgressWriter
    from autograder.records import Report, Result


def warn(warnings: Iterable[str]) -> None:
    for warning in warnings:
        click.echo(f"autograder: warning: {warning}", err=True)


def grade_and_show(
    tasks: "Sequence[Task]",
    *,
    isolation: str | None,
    trusted: bool,
    verbose: bool,
    detailed: bool,
    timelines: bool = False,
    draw: bool = False,
    json_file: Path | None = None,
    junit_file: Path | None = None,
    trace_file: Path | None = None,
    gradebook: "GradebookWriter | None" = None,
    progress: "ProgressWriter | None" = None,
    fail_under: float | None = None,
    jobs: int = 1,
) -> None:
    from autograder.classroom.grading import Journal, grade_tasks
    from autograder.report.files import must_be_writable
    from autograder.sandbox import Isolation

    journal = None
    if json_file is not None:
        kept_in = json_file.with_name(json_file.name + ".autograder-journal")
        must_be_writable(kept_in)
        journal = Journal(kept_in, timelines)
    counter = _Counter(len(tasks)) if len(tasks) > 1 and sys.stderr.isatty() else None

    def told(result: "Result") -> None:
        if gradebook is not None:
            gradebook(result)
        if progress is not None:
            progress(result)
        if counter is not None:
            counter(result)

    graded = grade_tasks(
        tasks,
        forced=Isolation(isolation) if isolation else None,
        trusted=trusted,
        journal=journal,
        on_result=told,
        timelines=timelines,
        jobs=jobs,
    )
    if counter is not None:
        counter.done()
    if graded.kept:
        click.echo(f"autograder: {graded.kept} of {len(tasks)} submissions were graded by the run before", err=True)
    _write(graded.report, json_file, junit_file, trace_file)
    _show(graded.report, verbose=verbose, detailed=detailed, draw=draw)
    warn(progress.warnings if progress is not None else ())
    unwritten = gradebook.finish(graded.report.results) if gradebook is not None else ()
    for line in unwritten:
        click.echo(f"autograder: {line}", err=True)
    if journal is not None and graded.complete and not graded.faulty and not unwritten:
        journal.remove()
    if not graded.complete:
        click.echo(
            f"autograder: stopped; {len(graded.report.results)} of {len(tasks)} submissions are graded"
            f"{'; the same command goes on from here' if journal is not None else ''}",
            err=True,
        )
        sys.exit(STOPPED)
    if graded.faulty:
        click.echo("autograder: a fault of the grader: the checks marked so are not judged; grade them again", err=True)
        sys.exit(FAULT)
    if unwritten:
        sys.exit(WRONG_USAGE)
    if fail_under is not None and graded.percent < fail_under:
        sys.exit(BELOW_MARK)


def open_gradebook(url: str, course: "Course", tasks: "Sequence[Task]") -> "GradebookWriter":
    try:
        from autograder.classroom.gradebook import GradebookWriter
    except ImportError as error:
        raise UsageError(f"--gradebook needs nbgrader ({error}): pip install 'autograder[nbgrader]'") from None
    writer = GradebookWriter(url, course, tasks)
    warn(writer.warnings)
    return writer


def _write(report: "Report", json_file: Path | None, junit_file: Path | None, trace_file: Path | None) -> None:
    from autograder.report import json_report, junit, trace

    for file, encode in ((json_file, json_report.encode), (junit_file, junit.encode), (trace_file, trace.encode)):
        if file is not None:
            file.write_bytes(encode(report))


def _show(report: "Report", *, verbose: bool, detailed: bool, draw: bool) -> None:
    from autograder.report import terminal, timeline

    console = open_console()
    if detailed:
        for result in report.results:
            console.print(terminal.result_view(result, verbose))
            if draw:
                console.print(timeline.timeline_view(result))
    if len(report.results) > 1 or not detailed:
        console.print(terminal.report_view(report, verbose and not detailed))


def open_console() -> "Console":
    from rich.console import Console

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # better a strange sign than no marks
    return Console(highlight=False)


class _Counter:
    """One line on standard error that counts the submissions."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0

    def __call__(self, result: "Result") -> None:
        self._done += 1
        click.echo(f"\r\033[K{self._done}/{self._total} {result.student} {result.exercise}", nl=False, err=True)

    def done(self) -> None:
        click.echo("\r\033[K", nl=False, err=True)
