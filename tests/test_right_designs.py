"""Right solutions of other designs than the reference: each gets full marks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.catalog.exercises import Course
from autograder.catalog.submissions import Submission
from autograder.checks.engine import grade
from autograder.checks.tasks import Sandboxes, Task
from autograder.records import Outcome

DESIGNS = Path(__file__).parent / "right_designs"


@pytest.fixture(scope="module")
def sandboxes() -> Iterator[Sandboxes]:
    """Kept for all of them."""
    with Sandboxes() as made:
        yield made


@pytest.mark.parametrize("path", sorted(DESIGNS.glob("*/*.py")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_another_design_gets_full_marks(path: Path, sandboxes: Sandboxes) -> None:
    """No check asks for more than the exercise does."""
    name = path.parent.name
    folder = Course(DESIGNS.parent.parent).get(name, "solutions")
    (result,) = grade([Task.of(Submission(path.stem, name, path, path.read_text()), folder)], sandboxes)
    lost = {verdict.name: verdict.message for verdict in result.checks if verdict.outcome is not Outcome.PASSED}
    assert {} == lost
