"""Runs the checks of many submissions in one pytest session and gives their results."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from autograder.checks import plugin
from autograder.checks.plugin import MEASURED
from autograder.checks.recording import Recording
from autograder.checks.tasks import Sandboxes, Subject, Task
from autograder.checks.verdicts import judge
from autograder.errors import GraderError
from autograder.records import CheckInfo, Outcome, Result, Verdict

OnResult = Callable[[Result], None]
OnVerdict = Callable[[Task, Verdict], None]

_ARGUMENTS = (
    "--assert=plain",
    "--import-mode=importlib",
    "--noconftest",
    "--capture=no",
    "-pno:cacheprovider",
    "-pno:terminal",
    "-pno:logging",
    "-pno:junitxml",
    "-pno:doctest",
    "-pno:faulthandler",
    "-pno:unraisableexception",
    "-pno:threadexception",
    "-pno:setuponly",
    "-pno:setupplan",
    "-pno:stepwise",
    "-pno:pastebin",
)


def grade(
    tasks: Sequence[Task],
    sandboxes: Sandboxes,
    on_result: OnResult | None = None,
    on_verdict: OnVerdict | None = None,
    *,
    timelines: bool = False,
) -> tuple[Result, ...]:
    """Judge all ``tasks`` in one pytest session, in their order.

    Args:
        tasks: What to judge.
        sandboxes: Where it runs; the caller closes them.
        on_result: Told of each submission as soon as it is judged.
        on_verdict: Told of each check as soon as it is judged.
        timelines: Whether the verdicts say what ran when, which costs time.

    Raises:
        GraderError: pytest itself failed, or a file of checks cannot be loaded.
        KeyboardInterrupt: The user stopped it; ``on_result`` has been told of what was judged before.
    """
    if not tasks:
        return ()
    for task in tasks:
        sandboxes.of(task.folder.exercise)  # its imports begin now, beside pytest's own
        if task.submission.problem == "":
            break
    grading = Grading(tasks, sandboxes, on_result, on_verdict, timelines)
    files = list(dict.fromkeys(str(task.folder.tests) for task in tasks))
    _forget(files)
    with _environment(PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", PYTEST_ADDOPTS="", PYTEST_PLUGINS=""):
        status = pytest.main(
            [*_ARGUMENTS, f"-c{os.devnull}", f"--rootdir={Path(files[0]).parent.parent}", *files],
            plugins=[plugin, grading],
        )
    if status == pytest.ExitCode.INTERRUPTED and grading.interrupted:
        raise KeyboardInterrupt
    if grading.faults or status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise GraderError("\n".join(grading.faults) or f"pytest ended with {pytest.ExitCode(status).name}")
    return grading.results()


class Grading:
    """A pytest plugin: gives each check its submissions and collects the verdicts."""

    def __init__(
        self,
        tasks: Sequence[Task],
        sandboxes: Sandboxes,
        on_result: OnResult | None,
        on_verdict: OnVerdict | None,
        timelines: bool = False,
    ) -> None:
        self._subjects = [Subject(task, sandboxes, Recording() if timelines else None) for task in tasks]
        self._order = {id(subject): index for index, subject in enumerate(self._subjects)}
        self._verdicts: list[dict[str, Verdict]] = [{} for _ in tasks]
        #: Runs of checks that each submission still has before it: a parametrized check has several.
        self._ahead = [0 for _ in tasks]
        self._on_result = on_result
        self._on_verdict = on_verdict
        self.faults: list[str] = []
        self.interrupted = False

    def results(self) -> tuple[Result, ...]:
        """All results, in the order of the tasks."""
        return tuple(self._result(index) for index in range(len(self._subjects)))

    # -- pytest's hooks -----------------------------------------------------------------------------------

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "subject" not in metafunc.fixturenames:
            return
        path = metafunc.definition.path
        mine = [subject for subject in self._subjects if Path(subject.task.folder.tests) == path]
        metafunc.parametrize("subject", mine, indirect=True, ids=[str(self._order[id(one)]) for one in mine])

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        chosen = [item for item in items if self._check_of(item) is not None]
        items[:] = sorted(chosen, key=lambda item: self._order[id(_subject_of(item))])
        for item in items:
            self._ahead[self._order[id(_subject_of(item))]] += 1

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.faults.append(f"{report.nodeid} cannot be loaded: {report.longreprtext}")

    def pytest_internalerror(self, excrepr: object) -> None:
        self.faults.append(str(excrepr))

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        # pytest's own word for "cannot go on", as after a file that cannot be loaded, is a KeyboardInterrupt too.
        self.interrupted = type(excinfo.value) is KeyboardInterrupt

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        subject, check = _subject_of(item), self._check_of(item)
        assert check is not None
        judged = self._verdicts[self._order[id(subject)]]
        if hindrance := subject.hindrance():
            pytest.skip(hindrance)
        for name in check.needs:
            if name in judged and judged[name].outcome is not Outcome.PASSED:
                pytest.skip(f'Not judged, because this has to work first: "{judged[name].title}".')

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
        report = yield
        if call.when == "call" or (call.when == "setup" and call.excinfo is not None):
            self._note(item, call)
        return report

    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        """A submission that cannot be imported has all its checks judged by that: the traceback is told once."""
        subject, check = _subject_of(item), self._check_of(item)
        assert check is not None
        index = self._order[id(subject)]
        started = time.perf_counter()
        try:
            problem = subject.import_problem()
        except GraderError:
            return None  # the check meets it again, and then it is a verdict of its own
        if not problem:
            return None
        file = subject.task.folder.exercise.module_file
        first = not self._verdicts[index]
        message = (
            f"{file} could not be imported, so nothing in it can be judged.\n{problem}"
            if first
            else f"{file} could not be imported: see the first check."
        )
        verdict = Verdict(
            name=check.name,
            title=check.title,
            kind=check.kind,
            outcome=Outcome.CRASHED,
            score=0.0,
            points=check.points,
            message=message,
            seconds=round(time.perf_counter() - started, 4),
            hidden=check.hidden,
        )
        self._keep(index, verdict)
        return True

    # -- verdicts -----------------------------------------------------------------------------------------

    def _check_of(self, item: pytest.Item) -> CheckInfo | None:
        name = getattr(item, "originalname", item.name)
        callspec = getattr(item, "callspec", None)
        if callspec is None or "subject" not in callspec.params:
            return None
        checks = callspec.params["subject"].task.checks
        return next((check for check in checks if check.name == name), None)

    def _note(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        subject, check = _subject_of(item), self._check_of(item)
        assert check is not None
        error = call.excinfo.value if call.excinfo is not None else None
        file = subject.task.folder.exercise.module_file
        figures = {name: _plain(value) for name, value in item.stash.get(MEASURED, {}).items()}
        verdict = judge(check, file, error, call.duration, figures)
        if subject.recording is not None:
            verdict = msgspec.structs.replace(verdict, timeline=subject.recording.take())
        self._keep(self._order[id(subject)], verdict)

    def _keep(self, index: int, verdict: Verdict) -> None:
        task = self._subjects[index].task
        previous = self._verdicts[index].get(verdict.name)
        if previous is not None:  # a parametrized check: passed when all of it passed
            told = previous if previous.outcome is not Outcome.PASSED else verdict
            verdict = msgspec.structs.replace(
                told,
                seconds=round(previous.seconds + verdict.seconds, 4),
                measured={**previous.measured, **verdict.measured, **told.measured},
            )
        self._verdicts[index][verdict.name] = verdict
        self._ahead[index] -= 1
        if self._on_verdict is not None:
            self._on_verdict(task, verdict)
        if self._on_result is not None and self._ahead[index] == 0:
            self._on_result(self._result(index))

    def _result(self, index: int) -> Result:
        task, verdicts = self._subjects[index].task, tuple(self._verdicts[index].values())
        return Result(
            student=task.submission.student,
            exercise=task.submission.exercise,
            path=str(task.submission.path),
            score=round(sum(verdict.score for verdict in verdicts), 6),
            points=round(sum(check.points for check in task.checks), 6),
            seconds=round(sum(verdict.seconds for verdict in verdicts), 3),
            checks=verdicts,
        )


def _subject_of(item: pytest.Item) -> Subject:
    subject: Subject = item.callspec.params["subject"]  # type: ignore[attr-defined]
    return subject


def _plain(value: object) -> bool | int | float | str | list[float]:
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple) and all(isinstance(item, int | float) for item in value):
        return [float(item) for item in value]
    return str(value)


def _forget(files: list[str]) -> None:
    """Have the checks read from their files: pytest would take what an earlier run in this process left of that name."""
    names = {Path(file).name.removesuffix(".py") for file in files}
    for name in [name for name in sys.modules if name.rpartition(".")[2] in names]:
        del sys.modules[name]


@contextlib.contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
