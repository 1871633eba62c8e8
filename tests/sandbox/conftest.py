"""A sandbox at each isolation level that this machine has, and ways to run code in it and to look at it from outside."""

import tempfile
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from autograder.errors import SandboxError
from autograder.records import Limits
from autograder.sandbox import Call, Isolation, Observer, Outcome, Snapshot, ZygoteSandbox

Run = Callable[..., Outcome]


class Recorder:
    """An observer that remembers every process that it ever saw, as the machine sees them."""

    def __init__(self) -> None:
        self.seen: dict[int, psutil.Process] = {}

    def started(self, caller: int, snapshot: Snapshot) -> None:  # noqa: ARG002 - the protocol's
        self.tick(snapshot)

    def tick(self, snapshot: Snapshot) -> None:
        for pid in snapshot.processes:
            if pid not in self.seen:
                try:
                    self.seen[pid] = psutil.Process(pid)
                except psutil.NoSuchProcess:
                    continue

    def finished(self, snapshot: Snapshot) -> None:
        self.tick(snapshot)

    def still_there(self) -> list[psutil.Process]:
        """Those that run still, or were not reaped. psutil knows a process by its start too, not by its pid alone."""
        return [process for process in self.seen.values() if process.is_running()]


def _refusal(level: Isolation) -> str:
    """Why this machine does not have ``level``, or nothing."""
    with ZygoteSandbox(forced=level) as made:
        try:
            return "" if made.isolation is level else f"became {made.isolation}"
        except SandboxError as error:
            return str(error)


#: Why this machine does not have a level; empty where it has it. Found out once, when the tests are collected.
REFUSALS = {level: _refusal(level) for level in Isolation}


@pytest.fixture(scope="session")
def refusals() -> dict[Isolation, str]:
    """For each level why this machine does not have it, or nothing."""
    return REFUSALS


@pytest.fixture(scope="session", params=[level for level in Isolation if not REFUSALS[level]])
def sandbox(request: pytest.FixtureRequest) -> Iterator[ZygoteSandbox]:
    """A sandbox at each level that this machine has, with numpy imported."""
    with ZygoteSandbox(preload=["numpy"], forced=request.param) as made:
        yield made


@pytest.fixture
def strong(sandbox: ZygoteSandbox) -> ZygoteSandbox:
    """The levels that may hold code of strangers."""
    if not sandbox.isolation.holds_strangers:
        pytest.skip(f"level '{sandbox.isolation}' is for one's own code and hides nothing")
    return sandbox


@pytest.fixture
def sealed(sandbox: ZygoteSandbox) -> ZygoteSandbox:
    """The level with namespaces."""
    if sandbox.isolation is not Isolation.NAMESPACES:
        pytest.skip(f"level '{sandbox.isolation}' has no namespaces of its own")
    return sandbox


@pytest.fixture
def run(sandbox: ZygoteSandbox) -> Run:
    """Runs ``f(*arguments)`` of a module with the given text."""

    def run(
        source: str,
        *arguments: object,
        function: str = "f",
        observer: Observer | None = None,
        files: dict[str, str] | None = None,
        **limits: float,
    ) -> Outcome:
        texts = {"module.py": textwrap.dedent(source), **(files or {})}
        call = Call(
            files={name: text.encode() for name, text in texts.items()},
            module="module",
            function=function,
            arguments=arguments,
            limits=Limits(**limits),  # type: ignore[arg-type]
        )
        return sandbox.run(call, observer)

    return run


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A temporary folder that everybody may enter, read and write: what keeps a submission out of it is a wall."""
    with tempfile.TemporaryDirectory(prefix="open-to-all-", dir="/tmp") as name:
        Path(name).chmod(0o777)
        yield Path(name)


@pytest.fixture
def recorder() -> Recorder:
    """Remembers all processes of a call."""
    return Recorder()
