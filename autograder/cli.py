"""The commands, and nothing else: read the command line, call the rooms, write what they give, set the exit status."""

import io
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autograder import __version__
from autograder.errors import AutograderError, GraderError, UsageError

if TYPE_CHECKING:  # the rooms are entered by the commands that need them: that is what keeps the start quick
    from rich.console import Console

    from autograder.catalog.exercises import Course
    from autograder.checks.tasks import Task
    from autograder.classroom.gradebook import GradebookWriter
    from autograder.classroom.progress import ProgressWriter
    from autograder.records import Report, Result

GRADED, BELOW_MARK, WRONG_USAGE, FAULT, STOPPED = 0, 1, 2, 3, 130

_course_option = click.option(
    "--course",
    "course_folder",
    type=click.Path(path_type=Path),
    help="Folder of the course; found from here otherwise.",
)
_isolation_option = click.option(
    "--isolation", type=click.Choice(["namespaces", "landlock", "process"]), help="Force an isolation level."
)
_jobs_option = click.option(
    "--jobs", type=click.IntRange(1), default=1, help="Judge so many submissions at the same time."
)


class _Commands(click.Group):
    """Turns our exceptions into one line and an exit status."""

    def invoke(self, context: click.Context) -> object:
        try:
            return super().invoke(context)
        except GraderError as error:
            click.echo(f"autograder: a fault of the grader, not of a submission: {error}", err=True)
            context.exit(FAULT)
        except AutograderError as error:
            click.echo(f"autograder: {error}", err=True)
            context.exit(WRONG_USAGE)
        except OSError as error:
            click.echo(f"autograder: {error.filename or 'system'}: {error.strerror or error}", err=True)
            context.exit(WRONG_USAGE)
        except KeyboardInterrupt:
            click.echo("autograder: stopped", err=True)
            context.exit(STOPPED)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="autograder")
def main() -> None:
    """Graded exercises on parallel programming and distributed training."""


@main.command("list")
@_course_option
def list_exercises(course_folder: Path | None) -> None:
    """Show the exercises, what each builds on, and how far you are."""
    from autograder.catalog.exercises import Course
    from autograder.classroom.progress import standings
    from autograder.report.course_map import overview

    course = Course.find(course_folder)
    exercises = [folder.exercise for folder in course.exercises()]
    found, warnings = standings(course)
    _warn(warnings)
    click.echo(overview(exercises, found))


@main.command()
@click.argument("name")
@click.option(
    "--step", type=click.IntRange(1, 3), default=1, show_default=True, help="1 a question, 2 a pointer, 3 a sketch."
)
@_course_option
def hint(name: str, step: int, course_folder: Path | None) -> None:
    """Show a hint for exercise NAME."""
    from autograder.catalog.exercises import Course

    hints = Course.find(course_folder).get(name).exercise.hints
    click.echo(hints[min(step, len(hints)) - 1])
    if step < len(hints):
        click.echo(f"\nMore: autograder hint {name} --step {step + 1}")


@main.command()
@click.argument("name", required=False)
@click.option("--size", type=int, metavar="N", help="How many of what the demonstration counts.")
def demo(name: str | None, size: int | None) -> None:
    """Measure and draw what happens behind the scenes; without NAME, show what there is."""
    from autograder.demos import registry

    if name is None:
        if size is not None:
            raise UsageError("--size: of which demonstration? Say autograder demo NAME --size N")
        for known in registry.DEMOS:
            click.echo(f"{known.name:<12} {known.title} ({known.exercise})")
        return
    chosen = registry.find(name)
    size = chosen.chosen_size(size)
    console = _console()
    console.print(chosen.introduction())
    console.print(chosen.result(size))


@main.command()
@click.argument("targets", nargs=-1, metavar="[NAME|PATH]...")
@click.option("-v", "--verbose", is_flag=True, help="Show the measurements of checks that passed, too.")
@click.option("--timeline", is_flag=True, help="Draw what ran when in the last calls of each check.")
@click.option(
    "--trace", "trace_file", type=click.Path(path_type=Path), help="Write what ran when, for ui.perfetto.dev."
)
@_course_option
@_isolation_option
def check(
    targets: tuple[str, ...],
    verbose: bool,
    timeline: bool,
    trace_file: Path | None,
    course_folder: Path | None,
    isolation: str | None,
) -> None:
    """Run the public checks on your own work: an exercise's NAME, or the PATH of a file or folder."""
    from autograder.catalog.exercises import Course
    from autograder.classroom.own_work import own_tasks
    from autograder.classroom.progress import ProgressWriter
    from autograder.report.files import must_be_writable

    must_be_writable(trace_file)
    tasks, warnings = own_tasks(targets, course_folder)
    works = {(task.submission.exercise, str(task.submission.path)): task.submission for task in tasks}
    _warn(warnings)
    _grade_and_show(
        tasks,
        isolation=isolation,
        trusted=True,
        verbose=verbose,
        detailed=True,
        timelines=timeline or trace_file is not None,
        draw=timeline,
        trace_file=trace_file,
        progress=ProgressWriter(Course.find(course_folder), works),
    )


@main.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--exercise", help="Grade this exercise only; a file may then have any name.")
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write the JSON result.")
@click.option("--timelines", is_flag=True, help="Put into the JSON what ran when in the calls of each check.")
@click.option("--junit", "junit_file", type=click.Path(path_type=Path, dir_okay=False), help="Write JUnit XML.")
@click.option(
    "--gradebook",
    "gradebook_url",
    metavar="URL",
    help="Write marks and comments into nbgrader's gradebook, as sqlite:///gradebook.db, and notebooks for formgrader.",
)
@click.option(
    "--fail-under", type=click.FloatRange(0, 100), metavar="PERCENT", help="Exit with 1 below this share of the points."
)
@click.option(
    "--trust-submissions", is_flag=True, help="Run them even where this machine cannot hold code of strangers."
)
@click.option("-v", "--verbose", is_flag=True, help="Show every check.")
@_jobs_option
@_course_option
@_isolation_option
def grade(
    paths: tuple[Path, ...],
    exercise: str | None,
    json_file: Path | None,
    timelines: bool,
    junit_file: Path | None,
    gradebook_url: str | None,
    fail_under: float | None,
    trust_submissions: bool,
    verbose: bool,
    jobs: int,
    course_folder: Path | None,
    isolation: str | None,
) -> None:
    """Grade submissions: files, folders with such files, or a class (submitted/STUDENT/NN_name/name.py)."""
    from autograder.catalog.exercises import Course
    from autograder.catalog.submissions import find_submissions
    from autograder.classroom.grading import make_tasks
    from autograder.report.files import must_be_writable

    for file in (json_file, junit_file):
        must_be_writable(file)
    if timelines and json_file is None and gradebook_url is None:
        raise UsageError("--timelines: they go into the JSON result, and none is asked for; add --json FILE")
    course = Course.find(course_folder)
    submissions, warnings = find_submissions(paths, course, exercise)
    _warn(warnings)
    tasks = make_tasks(submissions, course)
    _grade_and_show(
        tasks,
        isolation=isolation,
        trusted=trust_submissions,
        verbose=verbose,
        detailed=len({submission.student for submission in submissions}) == 1,
        timelines=timelines,
        json_file=json_file,
        junit_file=junit_file,
        gradebook=_gradebook(gradebook_url, course, tasks) if gradebook_url is not None else None,
        fail_under=fail_under,
        jobs=jobs,
    )


@main.command()
@click.argument("names", nargs=-1)
@_course_option
def release(names: tuple[str, ...], course_folder: Path | None) -> None:
    """Make assignments/ out of solutions/: stubs, handouts and public checks."""
    from autograder.catalog.exercises import Course
    from autograder.classroom import release as room

    course = Course.find(course_folder)
    written = [path for name in names or (None,) for path in room.release(course, name)]
    for path in written:
        click.echo(path.relative_to(course.root))
    click.echo(f"{len(written)} file(s) written; the rest was up to date")


@main.command()
@click.argument("names", nargs=-1)
@click.option("--repeat", type=click.IntRange(1), default=1, help="Run every proof this many times.")
@click.option("--no-release", is_flag=True, help="Do not compare assignments/ with what release would make.")
@_jobs_option
@_course_option
@_isolation_option
def selfcheck(
    names: tuple[str, ...], repeat: int, no_release: bool, jobs: int, course_folder: Path | None, isolation: str | None
) -> None:
    """Prove the exercises: stubs lose, references get full marks, wrong submissions lose at the check they name."""
    from autograder.catalog.exercises import Course
    from autograder.classroom import selfcheck as room
    from autograder.sandbox import Isolation

    course = Course.find(course_folder)
    folders = tuple(course.get(name, "solutions") for name in names) or course.exercises("solutions")
    complaints = room.static_complaints(course, folders, check_release=not no_release)

    def told(proof: room.Proof, complaint: str) -> None:
        mark = "FAIL" if complaint else "ok"
        what = f"{proof.role.name.lower():<9} {proof.task.folder.path.name}/{proof.path.name}"
        click.echo(f"{mark:<4} {what}{f' at {proof.fails}' if proof.fails else ''}")
        for line in complaint.splitlines():
            click.echo(f"     {line}")

    wanted = room.proofs(course, folders) * repeat
    complaints += room.prove(wanted, Isolation(isolation) if isolation else None, told, jobs)
    click.echo()
    for complaint in complaints:
        click.echo(complaint, err=True)
    click.echo(
        f"{len(wanted) - len(complaints)} of {len(wanted)} proofs hold"
        if complaints
        else f"all {len(wanted)} proofs hold"
    )
    if complaints:
        sys.exit(BELOW_MARK)


def _warn(warnings: Iterable[str]) -> None:
    for warning in warnings:
        click.echo(f"autograder: warning: {warning}", err=True)


def _grade_and_show(
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
    from autograder.sandbox import Isolation

    journal = None
    if json_file is not None:
        journal = Journal(json_file.with_name(json_file.name + ".autograder-journal"), timelines)
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
    _write(graded.report, json_file, junit_file, trace_file)
    _show(graded.report, verbose=verbose, detailed=detailed, draw=draw)
    _warn(progress.warnings if progress is not None else ())
    unwritten = gradebook.finish(graded.report.results) if gradebook is not None else ()
    for line in unwritten:
        click.echo(f"autograder: {line}", err=True)
    if journal is not None and graded.complete and not graded.faulty and not unwritten:
        journal.remove()
    if not graded.complete:
        click.echo(
            f"autograder: stopped; {len(graded.report.results)} of {len(tasks)} submissions are graded", err=True
        )
        sys.exit(STOPPED)
    if graded.faulty:
        click.echo("autograder: a fault of the grader: the checks marked so are not judged; grade them again", err=True)
        sys.exit(FAULT)
    if unwritten:
        sys.exit(WRONG_USAGE)
    if fail_under is not None and graded.percent < fail_under:
        sys.exit(BELOW_MARK)


def _gradebook(url: str, course: "Course", tasks: "Sequence[Task]") -> "GradebookWriter":
    try:
        from autograder.classroom.gradebook import GradebookWriter
    except ImportError as error:
        raise UsageError(f"--gradebook needs nbgrader ({error}): pip install 'autograder[nbgrader]'") from None
    writer = GradebookWriter(url, course, tasks)
    _warn(writer.warnings)
    return writer


def _write(report: "Report", json_file: Path | None, junit_file: Path | None, trace_file: Path | None) -> None:
    from autograder.report import json_report, junit, trace

    for file, encode in ((json_file, json_report.encode), (junit_file, junit.encode), (trace_file, trace.encode)):
        if file is not None:
            file.write_bytes(encode(report))


def _show(report: "Report", *, verbose: bool, detailed: bool, draw: bool) -> None:
    from autograder.report import terminal, timeline

    console = _console()
    if detailed:
        for result in report.results:
            console.print(terminal.result_view(result, verbose))
            if draw:
                console.print(timeline.timeline_view(result))
    if len(report.results) > 1 or not detailed:
        console.print(terminal.report_view(report, verbose and not detailed))


def _console() -> "Console":
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
