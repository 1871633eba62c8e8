"""The pytest plugin: the fixtures and marks of checks, and the turning of outcomes into verdicts.

Loaded by itself where the package is installed, so that ``pytest assignments/03_race`` works for a student: the
submission is then the module beside the checks. The grader adds an :class:`~autograder.checks.engine.Grading` that
says what else to judge.
"""

from typing import Any

import pytest

from autograder.checks.asserts import InconclusiveError
from autograder.checks.remote import RemoteModule
from autograder.checks.tasks import Sandboxes, Subject, Task
from autograder.errors import SandboxError

MEASURED: pytest.StashKey[dict[str, Any]] = pytest.StashKey()
SANDBOXES: pytest.StashKey[Sandboxes] = pytest.StashKey()
_LOCAL: pytest.StashKey[dict[str, Subject]] = pytest.StashKey()

_MARKS = (
    "points(value): what the check is worth",
    "kind(name): correctness, speedup, determinism or cleanup",
    "needs(*names): checks that must have passed before this one can be judged",
)


def pytest_configure(config: pytest.Config) -> None:
    for mark in _MARKS:
        config.addinivalue_line("markers", mark)


def pytest_unconfigure(config: pytest.Config) -> None:
    sandboxes = config.stash.get(SANDBOXES, None)
    if sandboxes is not None:
        sandboxes.close()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> object:
    """Give a check that came to no verdict, or met a fault of the sandbox, one more try before that is believed."""
    if "subject" not in pyfuncitem.fixturenames:
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    try:
        pyfuncitem.obj(**arguments)
    except (InconclusiveError, SandboxError) as problem:
        pyfuncitem.stash.get(MEASURED, {}).clear()
        judged = pyfuncitem.funcargs["subject"]
        assert isinstance(judged, Subject)
        if judged.recording is not None:
            judged.recording.take()
        if isinstance(problem, SandboxError):
            judged.renew_sandbox()
        pyfuncitem.obj(**arguments)
    return True


@pytest.fixture
def subject(request: pytest.FixtureRequest) -> Subject:
    """What is judged. The grader gives it as a parameter; without a grader it is the module beside the checks."""
    if hasattr(request, "param"):
        given: Subject = request.param
        return given
    return _local_subject(request)


@pytest.fixture
def submission(subject: Subject) -> RemoteModule:
    """The student's module: ``submission.f(...)`` runs ``f`` in the sandbox."""
    return subject.submission


@pytest.fixture
def driver(subject: Subject) -> RemoteModule:
    """The exercise's driver.py, which runs in the sandbox too."""
    return subject.driver


@pytest.fixture
def yardstick(subject: Subject) -> RemoteModule:
    """The exercise's yardstick.py, in a sandbox where the submission is not: what it gives can be relied on."""
    return subject.yardstick


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Figures that the check found; they stand in the verdict."""
    figures: dict[str, Any] = request.node.stash.setdefault(MEASURED, {})
    return figures


@pytest.fixture
def speedup(subject: Subject, measured: dict[str, Any], request: pytest.FixtureRequest) -> Any:
    """Judges the time of a submission against that of a yardstick: see :class:`~autograder.checks.speedup.Speedup`."""
    from autograder.checks.speedup import Speedup

    in_depth = subject.recording is not None
    return Speedup(measured, f"{subject.sandboxes.seed} {request.node.originalname}", in_depth)


@pytest.fixture
def explore(subject: Subject, measured: dict[str, Any]) -> Any:
    """Judges a scenario by its interleavings: see :class:`~autograder.checks.exploring.Explore`."""
    from autograder.checks.exploring import Explore

    return Explore(subject.driver, subject.task.submission.source, measured)


def _local_subject(request: pytest.FixtureRequest) -> Subject:
    from autograder.catalog.exercises import ExerciseFolder
    from autograder.catalog.submissions import Submission
    from autograder.catalog.text import read_source

    config = request.config
    subjects = config.stash.setdefault(_LOCAL, {})
    place = request.path.parent
    if str(place) not in subjects:
        folder = ExerciseFolder.load(place)
        source = read_source(folder.reference)
        name = folder.exercise.name
        task = Task.of(Submission("", name, folder.reference, source.text, source.problem), folder)
        subjects[str(place)] = Subject(task, config.stash.setdefault(SANDBOXES, Sandboxes()))
    subject = subjects[str(place)]
    if subject.import_problem():
        pytest.fail(f"{subject.task.submission.path} cannot be imported: {subject.import_problem()}", pytrace=False)
    return subject
