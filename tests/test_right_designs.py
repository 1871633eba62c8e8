"""Right solutions of other designs than the reference: each gets full marks.

Those in the folders `more`, most of them written from the contracts alone by people who had not seen a check, take
long, and run when they are asked for: `python -m pytest -m slow tests/test_right_designs.py`.
"""

import os
from pathlib import Path

import pytest

from autograder.catalog.exercises import Course
from autograder.catalog.submissions import Submission
from autograder.checks.tasks import Sandboxes, Task
from autograder.classroom.side_by_side import grade_jobs
from autograder.records import Outcome, Result

DESIGNS = Path(__file__).parent / "right_designs"


@pytest.fixture(scope="module")
def results(request: pytest.FixtureRequest) -> dict[Path, Result]:
    """What came of all designs that are asked for; one more is judged at a time than there are cores: they wait now and then."""
    course = Course(DESIGNS.parent.parent)
    items = [item for item in request.session.items if isinstance(item, pytest.Function)]
    paths = [item.callspec.params["path"] for item in items if "results" in item.fixturenames]
    tasks = []
    for path in paths:
        name = path.relative_to(DESIGNS).parts[0]
        submission = Submission(path.stem, name, path, path.read_text())
        tasks.append(Task.of(submission, course.get(name, "solutions")))
    found: dict[Path, Result] = {}
    with Sandboxes() as sandboxes:
        grade_jobs(
            tasks, sandboxes, (os.cpu_count() or 1) + 1, lambda place, result: found.update({paths[place]: result})
        )
    return found


@pytest.mark.timeout(3600)  # the first of them waits for all
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
def test_another_design_gets_full_marks(path: Path, results: dict[Path, Result]) -> None:
    """No check asks for more than the exercise does."""
    lost = {check.name: check.message for check in results[path].checks if check.outcome is not Outcome.PASSED}
    assert {} == lost
