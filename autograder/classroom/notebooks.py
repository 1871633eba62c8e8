"""Exercises as notebooks, made from the same source as everything else that students get.

There are three of each. The source notebook has the solution and the hidden checks and stays with ``solutions/``; it is
made for nbgrader, whose ``generate_assignment`` makes of it the released one, byte for byte what `released_notebook`
gives: both are led through the same preprocessors. The master notebook, half the way, is what nbgrader keeps in its
gradebook: submissions are shown in it. Grade cells name a check; the checks themselves are elsewhere.

Imports nbgrader: only for those who release.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.converters import GenerateAssignment
from nbgrader.preprocessors import ClearSolutions, NbGraderPreprocessor, SaveCells

from autograder.catalog.check_sources import read_checks
from autograder.catalog.exercises import ExerciseFolder
from autograder.catalog.text import read_own
from autograder.demos.registry import of_exercise
from autograder.records import CheckInfo

_METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
#: The cell that has what `%check` shows. It is the student's own, and nbgrader does not know it.
CHECK_CELL = "check"

#: Where a source notebook's cell keeps what it says when it is released.
_OURS = "autograder"
_LONGEST_ID = 64

_GUIDE = """

## In this notebook

The cell that begins with `%%exercise {name}` is your `{name}.py`, a module of its own: what it needs, it imports. Run it
after each change, then `%check {name}`, or `%check {name} --timeline` to see what ran when. The cells below that belong
to the grading; leave them as they are.
"""


class ReleaseCells(NbGraderPreprocessor):  # type: ignore[misc]
    """Gives a cell the text that its source notebook keeps for it: a stub may be more than one text for all."""

    def preprocess_cell(self, cell: Any, resources: Any, index: int) -> tuple[Any, Any]:  # noqa: ARG002
        released = cell.metadata.pop(_OURS, None)
        if released is not None:
            cell.source = released["released"]
        return cell, resources


#: What nbgrader does to make an assignment of a source notebook, with our way to take solutions out.
PREPROCESSORS = tuple(
    ReleaseCells if preprocessor is ClearSolutions else preprocessor
    for preprocessor in GenerateAssignment.preprocessors.default()
)


#: The preprocessor that fills nbgrader's gradebook, and what comes before and after it.
_SAVE = PREPROCESSORS.index(SaveCells)


def source_notebook(folder: ExerciseFolder, stub: str) -> bytes:
    """The notebook of an exercise with its solution and hidden checks, which releases as one with `stub`."""
    return written(_source(folder, stub))


def released_notebook(folder: ExerciseFolder, stub: str) -> bytes:
    """The notebook of an exercise that students get."""
    return written(_led_through(PREPROCESSORS[_SAVE + 1 :], master_notebook(folder, stub)))


def master_notebook(folder: ExerciseFolder, stub: str) -> Any:
    """The notebook of an exercise as `SaveCells` takes it into nbgrader's gradebook: hidden checks, but no solution."""
    return _led_through(PREPROCESSORS[:_SAVE], _source(folder, stub))


def grade_ids(checks: Sequence[CheckInfo]) -> dict[str, str]:
    """By the name of each check what nbgrader calls its cell: a hidden check must not be told by its name."""
    hidden = [check.name for check in checks if check.hidden]
    return {check.name: f"hidden_{hidden.index(check.name) + 1}" if check.hidden else check.name for check in checks}


def written(notebook: Any) -> bytes:
    """As nbgrader writes it."""
    nbformat.validate(notebook)
    text: str = nbformat.writes(notebook, version=nbformat.NO_CONVERT)
    return (text.rstrip("\n") + "\n").encode()


def _led_through(preprocessors: Iterable[Any], notebook: Any) -> Any:
    resources: Any = {}
    for preprocessor in preprocessors:
        notebook, resources = preprocessor().preprocess(notebook, resources)
    return notebook


def _source(folder: ExerciseFolder, stub: str) -> Any:
    return new_notebook(cells=list(_cells(folder, stub)), metadata=_METADATA)


def _cells(folder: ExerciseFolder, stub: str) -> Iterator[Any]:
    name = folder.exercise.name
    magic = f"%%exercise {name}\n"
    handout = read_own(folder.path / "README.md").rstrip("\n")
    yield _cell("handout", handout + _GUIDE.format(name=name), markdown=True)
    yield _cell("setup", "%load_ext autograder")
    # Cells of the student's own, which nbgrader does not know: to change, or to move.
    for demo in of_exercise(name):
        yield new_code_cell(f"%demo {demo.name}", id=f"demo-{demo.name}")
    solution = _cell(name, magic + read_own(folder.reference), solution=True)
    solution.metadata[_OURS] = {"released": magic + stub.rstrip("\n")}
    yield solution
    yield new_code_cell(f"%check {name}", id=CHECK_CELL)
    checks = read_checks(folder.tests)
    ids = grade_ids(checks)
    for check in checks:
        yield _grade_cell(name, check, ids[check.name])


def _grade_cell(exercise: str, check: CheckInfo, grade_id: str) -> Any:
    call = f'grade("{exercise}", "{check.name}")'
    imported = "from autograder.notebook import grade"
    if check.hidden:
        text = f"# A hidden check.\n### BEGIN HIDDEN TESTS\n# {check.title}\n{imported}\n{call}\n### END HIDDEN TESTS"
    else:
        text = f"# {check.title}\n{imported}\n{call}"
    return _cell(grade_id, text, points=check.points)


def _cell(
    grade_id: str, text: str, *, markdown: bool = False, solution: bool = False, points: float | None = None
) -> Any:
    """A cell that nbgrader knows by `grade_id`: a solution, a grade cell if it has points, or else one to read."""
    make = new_markdown_cell if markdown else new_code_cell
    ours: dict[str, object] = {
        "grade_id": grade_id,
        "schema_version": 3,
        "task": False,
        "solution": solution,
        "grade": points is not None,
        "locked": not solution,
    }
    if points is not None:
        ours["points"] = points
    return make(text.rstrip("\n"), id=grade_id[:_LONGEST_ID], metadata={"nbgrader": ours})
