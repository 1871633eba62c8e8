"""Right solutions of other designs than the reference: each gets full marks.

Those in the folders `more` were written from the exercises' contracts alone, by people who had not seen a check. They take
long, and run when they are asked for: `python -m pytest -m slow tests/test_right_designs.py`.
"""

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


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(
            path,
            id="-".join(path.relative_to(DESIGNS).with_suffix("").parts),
            marks=[pytest.mark.slow] if path.parent.name == "more" else [],
        )
        for path in sorted(DESIGNS.rglob("*.py"))
    ],
)
def test_another_design_gets_full_marks(path: Path, sandboxes: Sandboxes) -> None:
    """No check asks for more than the exercise does."""
    name = path.relative_to(DESIGNS).parts[0]
    folder = Course(DESIGNS.parent.parent).get(name, "solutions")
    (result,) = grade([Task.of(Submission(path.stem, name, path, path.read_text()), folder)], sandboxes)
    lost = {verdict.name: verdict.message for verdict in result.checks if verdict.outcome is not Outcome.PASSED}
    assert {} == lost
