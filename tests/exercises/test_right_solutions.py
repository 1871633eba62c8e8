"""Right solutions of other designs than the reference get full marks: a check asks for a behaviour, not for a design."""

from pathlib import Path

import pytest

from autograder.catalog.exercises import Course
from autograder.catalog.submissions import Submission
from autograder.checks.engine import grade
from autograder.checks.tasks import Sandboxes, Task
from autograder.records import Kind, Outcome

RIGHT = Path(__file__).parent / "right"
FILES = sorted(RIGHT.glob("*/*.py"))


@pytest.mark.parametrize("path", FILES, ids=[f"{path.parent.name}-{path.stem}" for path in FILES])
def test_a_right_solution_of_another_design_gets_full_marks(path: Path) -> None:
    """The docstring of the file says what the design is. Its speed is judged by one check, which takes most of the time."""
    name = path.parent.name
    folder = Course.find(Path(__file__)).get(name, "solutions")
    task = Task.of(Submission(path.stem, name, path, path.read_text()), folder)
    speedups = [check.name for check in task.checks if check.kind is Kind.SPEEDUP]
    wanted = [check.name for check in task.checks if check.name not in speedups[1:]]
    with Sandboxes() as sandboxes:
        result = grade([Task.of(task.submission, folder, wanted)], sandboxes)[0]
    lost = [f"{verdict.name}: {verdict.message}" for verdict in result.checks if verdict.outcome is not Outcome.PASSED]
    assert [] == lost
