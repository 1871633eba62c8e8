"""The commands, and nothing else: read the command line, call the rooms, write what they give, set the exit status."""

import click

from autograder import __version__
from autograder.cli import instructors, students
from autograder.cli.options import FAULT, STOPPED, WRONG_USAGE
from autograder.errors import AutograderError, GraderError


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


for command in (
    students.list_exercises,
    students.hint,
    students.demo,
    students.check,
    instructors.grade,
    instructors.release,
    instructors.selfcheck,
):
    main.add_command(command)
