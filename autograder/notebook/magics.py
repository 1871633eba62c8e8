"""The magics: ``%%exercise NAME``, ``%check [NAME] [--timeline]`` and ``%demo NAME``. The only module that knows IPython."""

import os
from typing import Any

from IPython.core.error import UsageError as NotebookUsageError
from IPython.display import display
from rich.console import Console, Group, RenderableType

from autograder.demos.demo import Demo
from autograder.demos.registry import find
from autograder.errors import AutograderError, UsageError
from autograder.notebook.session import Session
from autograder.report.html_table import result_html, view_html
from autograder.report.terminal import result_view
from autograder.report.timeline import timeline_view

_TIMELINE = "--timeline"


def register(shell: Any, session: Session) -> None:
    """Give the notebook of `shell` its magics."""
    magics = _Magics(shell, session)
    shell.register_magic_function(magics.exercise, magic_kind="cell", magic_name="exercise")
    shell.register_magic_function(magics.check, magic_kind="line", magic_name="check")
    shell.register_magic_function(magics.demo, magic_kind="line", magic_name="demo")


class _Magics:
    def __init__(self, shell: Any, session: Session) -> None:
        self._shell = shell
        self._session = session

    def exercise(self, line: str, cell: str) -> None:
        """%%exercise NAME

        Make the code of this cell the module NAME, as if it stood in NAME.py, and import it: what it offers can be used in
        the other cells, and in processes of every start method. The cell sees nothing of the other cells.
        """
        try:
            module = self._session.define(line.strip(), cell)
        except AutograderError as error:
            raise NotebookUsageError(str(error)) from None
        offered = {name: value for name, value in vars(module).items() if not name.startswith("_")}
        self._shell.push({module.__name__: module, **offered})

    def check(self, line: str) -> None:
        """%check [NAME] [--timeline]

        Run the public checks on exercise NAME, or on the one whose cell was run last; --timeline draws what ran when.
        """
        if os.environ.get("NBGRADER_EXECUTION"):
            print("nbgrader is at work: the cells below do the checking.")
            return
        try:
            name, timeline = _parsed(line)
            result = self._session.check(name, timelines=timeline)
        except AutograderError as error:
            raise NotebookUsageError(str(error)) from None
        views = [result_view(result), timeline_view(result)] if timeline else [result_view(result)]
        display({"text/html": result_html(result, timeline=timeline), "text/plain": _plain(*views)}, raw=True)

    def demo(self, line: str) -> None:
        """%demo NAME [--size N]

        Measure and draw what happens behind the scenes, here and now; `!autograder demo` shows what there is.
        """
        if os.environ.get("NBGRADER_EXECUTION"):
            print("nbgrader is at work: nothing is shown meanwhile.")
            return
        try:
            demo, size = _demonstration(line)
            view = Group(demo.introduction(), demo.result(size))
        except AutograderError as error:
            raise NotebookUsageError(str(error)) from None
        display({"text/html": view_html(view), "text/plain": _plain(view)}, raw=True)


def _parsed(line: str) -> tuple[str, bool]:
    words = line.split()
    names = [word for word in words if word != _TIMELINE]
    if len(names) > 1 or any(name.startswith("-") for name in names):
        raise UsageError(f"%check [NAME] [{_TIMELINE}], not '%check {line.strip()}'")
    return "".join(names), _TIMELINE in words


def _demonstration(line: str) -> tuple[Demo[Any], int]:
    """The one that is asked for, and its size."""
    match line.split():
        case [name]:
            size = None
        case [name, "--size", number] if number.isdecimal():
            size = int(number)
        case _:
            raise UsageError(f"%demo NAME [--size N], not '%demo {line.strip()}'; !autograder demo shows what there is")
    demo = find(name)
    return demo, demo.chosen_size(size)


def _plain(*views: RenderableType) -> str:
    """For places that show no HTML."""
    console = Console(width=110, color_system=None, highlight=False, force_jupyter=False)
    with console.capture() as captured:
        for view in views:
            console.print(view)
    return captured.get()
