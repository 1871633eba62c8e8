"""Solutions of other shapes than the reference get full marks: what an exercise asks for can be met in many ways."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import autograder
from autograder.catalog.exercises import Course
from autograder.catalog.submissions import Submission
from autograder.checks.engine import grade
from autograder.checks.tasks import Sandboxes, Task
from autograder.sandbox.procfs import LINUX

pytestmark = pytest.mark.skipif(not LINUX, reason="whether ranks make progress is seen through procfs")

DESIGNS = sorted((Path(__file__).parent / "right_designs").glob("*/*.py"))


@pytest.fixture(scope="module")
def sandboxes() -> Iterator[Sandboxes]:
    """One zygote for all of them."""
    with Sandboxes() as made:
        yield made


@pytest.mark.parametrize("path", DESIGNS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_another_right_design_gets_full_marks(
    path: Path, sandboxes: Sandboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No point is lost, whoever wrote it how."""
    import sys

    plain = [finder for finder in sys.meta_path if type(finder).__name__ != "AssertionRewritingHook"]
    monkeypatch.setattr(sys, "meta_path", plain)
    name = path.parent.name
    folder = Course.find(Path(autograder.__file__).parent).get(name, "solutions")
    task = Task.of(Submission("", name, path, path.read_text()), folder)
    (result,) = grade([task], sandboxes)
    assert {} == {verdict.name: verdict.message for verdict in result.checks if verdict.score < verdict.points}
