"""Facts of the machine that a figure needs to be read a year later, and warnings about it."""

import os
import platform

import psutil

from autograder.records import Machine
from autograder.sandbox.procfs import LINUX


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if LINUX else os.cpu_count() or 1


def describe(isolation: str) -> Machine:
    """The machine as it is now."""
    load = os.getloadavg()[0]
    warnings = []
    if cores() < 2:
        warnings.append("one core only: speedups are what the corrected clock says, not what a wall clock would show")
    if not LINUX:
        warnings.append("no run-queue counters on this system: speedups are judged by the wall clock")
    if load > cores():
        warnings.append(f"other work was running: load average {load:.1f} on {cores()} cores")
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
