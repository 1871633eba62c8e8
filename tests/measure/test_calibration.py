"""A calibration notices what the corrected clock cannot take out, and says so."""

from pathlib import Path

import pytest

from autograder.measure import machine
from autograder.measure.calibration import Calibration, calibrate
from autograder.sandbox import ZygoteSandbox
from autograder.sandbox.procfs import LINUX
from tests.fakes import FakeSandbox


@pytest.mark.parametrize(
    ("calibration", "told"),
    [
        (Calibration(contention=1.6, spread=0.0, clock=1.6, stolen=0.0), "costs 1.60 times the CPU time"),
        (Calibration(contention=1.0, spread=0.4, clock=1.0, stolen=0.0), "differ by 40%"),
        (Calibration(contention=1.0, spread=0.0, clock=1.5, stolen=0.0), "took 1.50 times as long as one"),
        (Calibration(contention=1.0, spread=0.0, clock=1.0, stolen=0.1), "gave 10% of the cores' time to others"),
    ],
)
def test_each_limit_has_its_warning(calibration: Calibration, told: str) -> None:
    """Shared cores, noise, a clock that is off, and theft are told apart."""
    (warning,) = calibration.warnings()
    assert told in warning
    assert warning in machine.describe("namespaces", calibration).warnings


def test_a_quiet_machine_has_no_warning() -> None:
    """Differences of a few percent are no news."""
    assert () == Calibration(contention=1.05, spread=0.08, clock=1.1, stolen=0.001).warnings()


@pytest.mark.skipif(not LINUX, reason="other systems have no run-queue counters")
def test_known_work_is_seen_as_it_is() -> None:
    """Two processes at once show about the time of one, however few cores there are and whoever else is at work."""
    with ZygoteSandbox() as sandbox:
        found = calibrate(sandbox)
    assert found is not None
    assert 0.5 < found.clock / found.contention < 1.7
    assert 0.0 <= found.stolen < 1.0


def test_a_trial_that_fails_decides_nothing() -> None:
    """Where the known work itself cannot run there is no calibration, and no error."""
    assert calibrate(FakeSandbox({})) is None


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"/proc/self/cgroup": "0::/box\n", "/sys/fs/cgroup/box/cpu.max": "150000 100000\n"}, 1.5),
        ({"/proc/self/cgroup": "0::/box\n", "/sys/fs/cgroup/box/cpu.max": "max 100000\n"}, None),
        (
            {
                "/proc/self/cgroup": "5:cpu,cpuacct:/box\n",
                "/sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us": "50000\n",
                "/sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_period_us": "100000\n",
            },
            0.5,
        ),
        ({"/proc/self/cgroup": "5:cpu:/\n", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n"}, None),
        ({}, None),
    ],
)
def test_a_quota_is_found(monkeypatch: pytest.MonkeyPatch, files: dict[str, str], quota: float | None) -> None:
    """Control groups of both versions tell how many cores a container may use."""

    def read_text(path: Path) -> str:
        try:
            return files[str(path)]
        except KeyError:
            raise FileNotFoundError(str(path)) from None

    monkeypatch.setattr(machine.Path, "read_text", read_text)
    assert quota == machine.cpu_quota()
