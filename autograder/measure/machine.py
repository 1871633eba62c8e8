"""Facts of the machine that a figure needs to be read a year later, and warnings about it."""

import os
import platform
from pathlib import Path

import psutil

from autograder.measure.calibration import Calibration
from autograder.records import Machine
from autograder.sandbox.procfs import LINUX


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if LINUX else os.cpu_count() or 1


def cpu_quota() -> float | None:
    """Cores that the control group of this process may use, if it has a quota (cgroup v2 ``cpu.max``, v1 ``cfs_quota``)."""
    for line in _lines("/proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            limit, period = ([*_words(f"/sys/fs/cgroup{path}/cpu.max"), "", ""])[:2]
        elif "cpu" in controllers.split(","):
            folder = f"/sys/fs/cgroup/{controllers}{path}"
            limit, period = ("".join(_words(f"{folder}/cpu.cfs_{name}_us")) for name in ("quota", "period"))
        else:
            continue
        if limit.isdigit() and period.isdigit() and int(period) > 0:
            return int(limit) / int(period)
    return None


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def _words(path: str) -> list[str]:
    return " ".join(_lines(path)).split()


def describe(isolation: str, calibration: Calibration | None = None) -> Machine:
    """The machine as it is now, with the warnings of a calibration, if there was one."""
    load = os.getloadavg()[0]
    warnings = []
    if cores() < 2:
        warnings.append("one core only: speedups are what the corrected clock says, not what a wall clock would show")
    if not LINUX:
        warnings.append("no run-queue counters on this system: speedups are judged by the wall clock")
    if load > cores():
        warnings.append(f"other work was running: load average {load:.1f} on {cores()} cores")
    quota = cpu_quota()
    if quota is not None and quota < cores():
        warnings.append(f"a quota allows {quota:g} of {cores()} cores: the corrected clock takes out what that costs")
    if calibration is not None:
        warnings += calibration.warnings()
    return Machine(
        cores=cores(),
        isolation=isolation,
        clock="corrected" if LINUX else "wall",
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        memory_mb=psutil.virtual_memory().total // 2**20,
        load=round(load, 2),
        warnings=tuple(warnings),
    )
