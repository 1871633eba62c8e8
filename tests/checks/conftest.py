"""Judges a fake submission by checks that a test writes down."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.catalog import Submission
from autograder.checks.engine import grade
from autograder.checks.tasks import Sandboxes, Task
from autograder.records import Result, Verdict
from tests.fakes import FakeSandbox, make_course

#: Stands before the checks of a test.
HEAD = """\
import pytest
from autograder.checks import *

"""


class Judge:
    """Grades submissions in fake sandboxes."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._courses = 0
        self.sandboxes: list[FakeSandbox] = []
        self.told: list[Result] = []
        self.verdicts_told: list[Verdict] = []

    def __call__(
        self,
        checks: str,
        *fakes: FakeSandbox | dict[str, object],
        students: tuple[str, ...] = ("alice",),
        timelines: bool = False,
    ) -> Result:
        """The result of the (last) student by ``checks``. Each further fake takes the place of one that has failed."""
        ready = iter(fake if isinstance(fake, FakeSandbox) else FakeSandbox(fake) for fake in fakes)
        self._courses += 1
        folder = make_course(self._root / f"course{self._courses}", checks=HEAD + checks).get("tiny")
        self.told, self.verdicts_told = [], []

        def make(*_: object) -> FakeSandbox:
            self.sandboxes.append(next(ready))
            return self.sandboxes[-1]

        tasks = [Task.of(Submission(name, "tiny", Path(f"{name}.py"), "source"), folder) for name in students]
        with Sandboxes(make=make) as sandboxes:
            results = grade(
                tasks,
                sandboxes,
                self.told.append,
                lambda _, verdict: self.verdicts_told.append(verdict),
                timelines=timelines,
            )
        assert list(results) == self.told, "each result is told once, in order"
        return results[-1]


@pytest.fixture
def judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Judge:
    """Grades by checks that a test writes down, in a fake sandbox."""
    # The engine reads checks as they are written; the pytest that runs this test would rewrite their assertions.
    plain = [finder for finder in sys.meta_path if type(finder).__name__ != "AssertionRewritingHook"]
    monkeypatch.setattr(sys, "meta_path", plain)
    return Judge(tmp_path)


@pytest.fixture
def verdict(judge: Judge) -> Callable[..., Verdict]:
    """The verdict of the only check."""

    def verdict(
        body: str, *fakes: FakeSandbox | dict[str, object], fixtures: str = "submission", points: float = 2
    ) -> Verdict:
        lines = "".join(f"    {line}\n" for line in body.splitlines())
        checks = f'@pytest.mark.points({points})\ndef test_it({fixtures}):\n    """It works."""\n{lines}'
        (only,) = judge(checks, *fakes).checks
        return only

    return verdict
