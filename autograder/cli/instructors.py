"""What instructors and CI run: grade, release, selfcheck."""

import sys
from pathlib import Path

import click

from autograder.cli.options import BELOW_MARK, course_option, isolation_option, jobs_option
from autograder.cli.session import grade_and_show, open_gradebook, warn
from autograder.errors import UsageError


@click.command()
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
@jobs_option
@course_option
@isolation_option
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
    warn(warnings)
    tasks = make_tasks(submissions, course)
    grade_and_show(
        tasks,
        isolation=isolation,
        trusted=trust_submissions,
        verbose=verbose,
        detailed=len({submission.student for submission in submissions}) == 1,
        timelines=timelines,
        json_file=json_file,
        junit_file=junit_file,
        gradebook=open_gradebook(gradebook_url, course, tasks) if gradebook_url is not None else None,
        fail_under=fail_under,
        jobs=jobs,
    )


@click.command()
@click.argument("names", nargs=-1)
@course_option
def release(names: tuple[str, ...], course_folder: Path | None) -> None:
    """Make assignments/ out of solutions/: stubs, handouts and public checks."""
    from autograder.catalog.exercises import Course
    from autograder.classroom import release as room

    course = Course.find(course_folder)
    written = [path for name in names or (None,) for path in room.release(course, name)]
    for path in written:
        click.echo(path.relative_to(course.root))
    click.echo(f"{len(written)} file(s) written; the rest was up to date")


@click.command()
@click.argument("names", nargs=-1)
@click.option("--repeat", type=click.IntRange(1), default=1, help="Run every proof this many times.")
@click.option("--no-release", is_flag=True, help="Do not compare assignments/ with what release would make.")
@jobs_option
@course_option
@isolation_option
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
