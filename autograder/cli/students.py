"""What students run: list, hint, demo, check."""

from pathlib import Path

import click

from autograder.cli.options import course_option, isolation_option
from autograder.cli.session import grade_and_show, open_console, warn
from autograder.errors import UsageError


@click.command("list")
@course_option
def list_exercises(course_folder: Path | None) -> None:
    """Show the exercises, what each builds on, and how far you are."""
    from autograder.catalog.exercises import Course
    from autograder.classroom.progress import standings
    from autograder.report.course_map import overview

    course = Course.find(course_folder)
    exercises = [folder.exercise for folder in course.exercises()]
    found, warnings = standings(course)
    warn(warnings)
    click.echo(overview(exercises, found))


@click.command()
@click.argument("name")
@click.option(
    "--step", type=click.IntRange(1, 3), default=1, show_default=True, help="1 a question, 2 a pointer, 3 a sketch."
)
@course_option
def hint(name: str, step: int, course_folder: Path | None) -> None:
    """Show a hint for exercise NAME."""
    from autograder.catalog.exercises import Course

    hints = Course.find(course_folder).get(name).exercise.hints
    click.echo(hints[min(step, len(hints)) - 1])
    if step < len(hints):
        click.echo(f"\nMore: autograder hint {name} --step {step + 1}")


@click.command()
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
    console = open_console()
    console.print(chosen.introduction())
    console.print(chosen.result(size))


@click.command()
@click.argument("targets", nargs=-1, metavar="[NAME|PATH]...")
@click.option("-v", "--verbose", is_flag=True, help="Show the measurements of checks that passed, too.")
@click.option("--timeline", is_flag=True, help="Draw what ran when in the last calls of each check.")
@click.option(
    "--trace", "trace_file", type=click.Path(path_type=Path), help="Write what ran when, for ui.perfetto.dev."
)
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    default="cpu",
    help="Where the tensors of distributed training are.",
)
@course_option
@isolation_option
def check(
    targets: tuple[str, ...],
    verbose: bool,
    timeline: bool,
    trace_file: Path | None,
    device: str,
    course_folder: Path | None,
    isolation: str | None,
) -> None:
    """Run the public checks on your own work: an exercise's NAME, or the PATH of a file or folder."""
    from autograder.catalog.exercises import Course
    from autograder.classroom.own_work import own_tasks
    from autograder.classroom.progress import ProgressWriter
    from autograder.records import Device
    from autograder.report.files import must_be_writable

    must_be_writable(trace_file)
    if device == Device.CUDA:
        if isolation not in (None, "process"):
            raise UsageError(f"--isolation {isolation}: there a GPU cannot be reached; leave it out, or say process")
        isolation = "process"
    tasks, warnings = own_tasks(targets, course_folder, Device(device))
    # What a GPU shows is beside the course's own score: on most machines it is nothing.
    keep_score = device == Device.CPU
    works = {(task.submission.exercise, str(task.submission.path)): task.submission for task in tasks}
    warn(warnings)
    grade_and_show(
        tasks,
        isolation=isolation,
        trusted=True,
        verbose=verbose,
        detailed=True,
        timelines=timeline or trace_file is not None,
        draw=timeline,
        trace_file=trace_file,
        progress=ProgressWriter(Course.find(course_folder), works) if keep_score else None,
    )
