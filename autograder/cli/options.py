"""Options that several commands have, and what their exit statuses mean."""

from pathlib import Path

import click

BELOW_MARK, WRONG_USAGE, FAULT, STOPPED = 1, 2, 3, 130

course_option = click.option(
    "--course",
    "course_folder",
    type=click.Path(path_type=Path),
    help="Folder of the course; found from here otherwise.",
)
isolation_option = click.option(
    "--isolation", type=click.Choice(["namespaces", "landlock", "process"]), help="Force an isolation level."
)
jobs_option = click.option(
    "--jobs", type=click.IntRange(1), default=1, help="Judge so many submissions at the same time."
)
