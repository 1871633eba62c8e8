"""What a call costs at each isolation level, beside a bare fork and `python -c pass`.

    python benchmarks/sandbox.py [--runs 50] [--preload numpy torch]

Everything is run in turn, so that all meet the same machine at the same moments; a figure is the median of the runs, and
what a call costs over a bare fork is the median of the differences of each run. The fork is one of a process that has the
same modules loaded: it is what no sandbox can be below. The target: at most 30 ms over it. On a machine that others use,
everything takes longer; what the quickest tenth of the runs took is nearest to what the machine alone would show.
"""

import argparse
import importlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from trials import machine

from autograder.errors import SandboxError
from autograder.sandbox import Call, Ending, Isolation, ZygoteSandbox

TARGET = 30.0
CALL = Call({"module.py": b"def f():\n    pass\n"}, "module", "f")


def milliseconds(action: Callable[[], object]) -> float:
    """Wall time of an action."""
    started = time.perf_counter()
    action()
    return (time.perf_counter() - started) * 1e3


def quantile(values: list[float], part: float) -> float:
    """The value below which this part of the values lies."""
    return sorted(values)[round(part * (len(values) - 1))]


def bare_fork() -> None:
    """A child that ends at once."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def python_pass() -> None:
    """A new interpreter that does nothing, away from the folder that it is started in."""
    subprocess.run([sys.executable, "-c", "pass"], check=True, cwd=tempfile.gettempdir())


def call_in(sandbox: ZygoteSandbox) -> Callable[[], object]:
    """A call of an empty function in a sandbox."""

    def call() -> None:
        outcome = sandbox.run(CALL)
        if outcome.ending is not Ending.VALUE:
            raise SystemExit(f"the empty call ended as {outcome.ending.name}: {outcome.message}")

    return call


def sandboxes(preload: list[str]) -> dict[str, ZygoteSandbox]:
    """One at each level that this machine has; says which it lacks, and why."""
    found = {}
    for level in Isolation:
        sandbox = ZygoteSandbox(preload, forced=level)
        try:
            found[f"call, {sandbox.isolation}"] = sandbox
        except SandboxError as error:
            sandbox.close()
            print(f"{level}: {error}")
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--runs", type=int, default=50)
    options.add_argument("--preload", nargs="*", default=["numpy"])
    chosen = options.parse_args()
    for name in chosen.preload:
        importlib.import_module(name)
    made = sandboxes(chosen.preload)
    actions: dict[str, Callable[[], object]] = {"bare fork": bare_fork, "python -c pass": python_pass}
    actions |= {name: call_in(sandbox) for name, sandbox in made.items()}
    times: dict[str, list[float]] = {name: [] for name in actions}
    try:
        for run in range(chosen.runs + 1):
            for name, action in actions.items():
                taken = milliseconds(action)
                if run:  # the first fills caches
                    times[name].append(taken)
    finally:
        for sandbox in made.values():
            sandbox.close()
    loaded = ", ".join(chosen.preload) or "nothing"
    print(f"{machine()}, user {os.geteuid()}, preloaded: {loaded}, {chosen.runs} runs")
    print(f"{'ms':24}{'1 of 10':>9}{'median':>9}{'9 of 10':>9}{'over fork: 1 of 10':>20}{'median':>9}{'of python':>11}")
    for name, values in times.items():
        over = [value - fork for value, fork in zip(values, times["bare fork"], strict=True)]
        ratio = statistics.median(value / new for value, new in zip(values, times["python -c pass"], strict=True))
        told = "" if not name.startswith("call") else "  held" if statistics.median(over) <= TARGET else "  NOT HELD"
        figures = [quantile(values, part) for part in (0.1, 0.5, 0.9)]
        print(f"{name:24}" + "".join(f"{figure:9.1f}" for figure in figures), end="")
        print(f"{quantile(over, 0.1):20.1f}{quantile(over, 0.5):9.1f}{ratio:10.2f}x{told}")


if __name__ == "__main__":
    main()
