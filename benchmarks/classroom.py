"""A class of 20 graded by this kit and by the tools that courses use today, side by side: wall, CPU, and memory.

    python benchmarks/classroom.py --venvs FOLDER [--students 20] [--exercise race] [--tool ...]

All tools grade the same submissions to one exercise: half of them right, half known to be wrong. All run the same checks,
those of plain_checks.py, each in the form that it wants: pytest and gradescope-utils a process for each submission, nbgrader one
command for the class, otter one for each notebook, this kit one for the class (and again with `--jobs`, as many at a time as
there are cores). The floor is a process for each submission that runs the checks with nothing around them. None of the tools but
this kit holds a submission off its own verdict, and each check of this kit runs in fresh processes of its own. The plain checks
see a race by chance and a speedup by a wall clock.

Last, this kit with the public checks that it has for the exercise: every interleaving that matters, speedups measured in pairs until
the answer is clear. Its floor is all the calls that it made, made again: a fork for each, and nothing around it.

CPU time is that of all processes of a tool, memory the most that they had together at a moment (shared pages shared out, PSS).
The other tools get virtual environments in FOLDER, made there by pip when they are missing. Targets: at least 10 times
as quick as `nbgrader autograde`, and at most 1.3 times the floor of the same calls.
"""

import argparse
import contextlib
import importlib
import json
import math
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from graders import FLOOR, FLOOR_OF_OWN, KIT_PLAIN, OWN, TOOLS, WRONG, Class, Step, environment, make_class
from trials import machine

#: Seconds between two looks at the memory.
LOOK = 0.1


# -- the same calls as this kit makes, with and without it


def record(path: str, arguments: list[str]) -> None:
    """`autograder` with these arguments; the calls that it has the sandbox make are written to a file."""
    from autograder.cli import main
    from autograder.sandbox import ZygoteSandbox

    real = ZygoteSandbox.run
    with open(path, "wb") as file:

        def run(sandbox: Any, call: Any, observer: Any = None) -> Any:
            pickle.dump((sandbox._preload, call), file)
            return real(sandbox, call, observer)

        ZygoteSandbox.run = run  # type: ignore[method-assign]
        main(arguments)


def replay(path: str) -> None:
    """Each call in a fork of this process, with nothing around it but its limit of time."""
    from autograder.sandbox import runner, wire

    with open(path, "rb") as file, contextlib.suppress(EOFError):
        while True:
            preload, call = pickle.load(file)
            for name in filter(None, preload.split(",")):
                importlib.import_module(name)
            if child := os.fork():
                os.waitpid(child, 0)
                continue
            signal.alarm(math.ceil(call.limits.wall_seconds))
            with tempfile.TemporaryDirectory() as folder, contextlib.suppress(BaseException):
                os.chdir(folder)
                sys.path.insert(0, folder)
                for name, text in call.files.items():
                    Path(name).write_bytes(text)
                module = importlib.import_module(call.module)
                arguments, named = wire.decode(wire.encode([call.arguments, call.named]), runner._resolve)
                if call.function:
                    getattr(module, call.function)(*arguments, **named)
            os._exit(0)


# -- what it costs


@dataclass(frozen=True)
class Cost:
    """Seconds, seconds, MiB."""

    wall: float
    cpu: float
    peak: float


class Group:
    """A control group: knows the CPU time of all that ran in it, also of what has ended and was waited for by nobody here."""

    def __init__(self) -> None:
        roots = (Path("/sys/fs/cgroup/cpuacct"), Path("/sys/fs/cgroup"))
        root = next((root for root in roots if (root / "cgroup.procs").exists()), None)
        if root is None:
            raise SystemExit("CPU time is counted with cgroups, and there are none here: run this on Linux")
        self.path = root / f"classroom-{os.getpid()}"
        try:
            self.path.mkdir(exist_ok=True)
        except OSError as error:
            raise SystemExit(
                f"{self.path}: {error.strerror}; run this as root: CPU time is counted with cgroups"
            ) from None

    def within(self, command: list[str]) -> list[str]:
        """The command, run in the group."""
        return ["sh", "-c", f'echo $$ > {self.path}/cgroup.procs && exec "$@"', "sh", *command]

    def seconds(self) -> float:
        if (usage := self.path / "cpuacct.usage").exists():
            return int(usage.read_text()) / 1e9
        return int((self.path / "cpu.stat").read_text().split()[1]) / 1e6

    def processes(self) -> Iterator[psutil.Process]:
        for pid in (self.path / "cgroup.procs").read_text().split():
            with contextlib.suppress(psutil.NoSuchProcess):
                yield psutil.Process(int(pid))

    def memory(self) -> float:
        """MiB, shared pages shared out."""
        total = 0
        for process in self.processes():
            with contextlib.suppress(psutil.Error, OSError):
                total += process.memory_full_info().pss
        return total / 2**20

    def close(self) -> None:
        """End what is left in it."""
        while left := list(self.processes()):
            for process in left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            time.sleep(0.05)
        self.path.rmdir()


def measure(steps: list[Step], variables: dict[str, str]) -> Cost:
    """Run the commands one after another; nothing of them is left."""
    peak = 0.0
    with contextlib.closing(Group()) as group:
        begin = time.perf_counter()
        for step in steps:
            with (step.folder / "log").open("wb") as log:
                process = subprocess.Popen(
                    group.within(step.command), cwd=step.folder, env=variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )  # fmt: skip
                while process.poll() is None:
                    peak = max(peak, group.memory())
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(LOOK)
        return Cost(time.perf_counter() - begin, group.seconds(), peak)


def judged(folder: Path, log: Path, group: Class) -> dict[str, list[str]]:
    """Of each student, how the checks ended that were run."""
    found: dict[str, list[str]] = {student: [] for student in group.texts}
    if (folder / "report.json").exists():
        for one in json.loads((folder / "report.json").read_bytes())["results"]:
            found[one["student"]] += [check["outcome"] for check in one["checks"]]
    elif log.exists():
        for line in log.read_text().splitlines():
            student, _, outcome = line.split()
            found[student].append(outcome)
    return found


def python_of(packages: str, venvs: Path) -> Path:
    """The Python of the tool's environment, which is made where it is missing."""
    if not packages:
        return Path(sys.executable)
    names = packages.split()
    python = venvs / names[0] / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(venvs / names[0])], check=True)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check"]
    if any(subprocess.run([*pip, "show", "-q", name], capture_output=True).returncode for name in names):
        subprocess.run([*pip, "install", "-q", *names], check=True, capture_output=True, text=True)
    return python


def compare(group: Class, venvs: Path, wanted: list[str]) -> None:
    """A table of all tools for one exercise."""
    costs: dict[str, Cost] = {}
    found: dict[str, dict[str, list[str]]] = {}
    with tempfile.TemporaryDirectory(prefix="classroom-") as scratch, contextlib.ExitStack() as at_the_end:
        Path(scratch).chmod(0o755)
        at_the_end.callback(show, group, costs, found)
        for name, packages, form in TOOLS:
            if wanted and name not in wanted:
                continue
            folder, log = Path(scratch, name.replace(" ", "_")), Path(scratch, f"{name}.log")
            folder.mkdir()
            print(f"{group.exercise}: {name}", file=sys.stderr)
            try:
                python = python_of(packages, venvs)
            except subprocess.CalledProcessError as error:
                print(f"{name}: not installed: {(error.stderr or str(error)).strip().splitlines()[-1]}")
                continue
            steps = form(folder, group, python)
            costs[name] = measure(steps, {**environment(python), "CLASSROOM_LOG": str(log)})
            found[name] = judged(folder, log, group)


def show(group: Class, costs: dict[str, Cost], found: dict[str, dict[str, list[str]]]) -> None:
    """Of all that was measured; what there is nothing to compare with stays empty."""
    print(f"\n{group.exercise}: {len(group.texts)} submissions, {len(group.checks)} plain checks each; {machine()}")
    print(
        f"{'':26}{'wall s':>8}{'CPU s':>8}{'MiB':>6}{'x floor: wall':>15}{'CPU':>7}{'x kit: wall':>13}{'CPU':>7}",
        end="",
    )
    print(f"{'checks':>8}{'right that lost':>17}{'wrong unseen':>14}{'inconclusive':>14}")
    for name, cost in costs.items():
        line = f"{name:26}{cost.wall:8.1f}{cost.cpu:8.1f}{cost.peak:6.0f}"
        for other, first in ((FLOOR_OF_OWN if name == OWN else FLOOR, 15), (KIT_PLAIN, 13)):
            base = costs.get(other)
            line += f"{cost.wall / base.wall:{first}.2f}{cost.cpu / base.cpu:7.2f}" if base else " " * (first + 7)
        # A check that waits for another, or for a person, has not been lost; and a tool that ran no check is not quick.
        lost = {student: set(ends) - {"passed", "skipped", "inconclusive"} for student, ends in found[name].items()}
        right = [bool(ends) for student, ends in lost.items() if student.endswith("right")]
        wrong = [not ends for student, ends in lost.items() if student.endswith("wrong")]
        line += f"{sum(map(len, found[name].values())):8}{f'{sum(right)} of {len(right)}':>17}"
        line += f"{f'{sum(wrong)} of {len(wrong)}':>14}{sum(ends.count('inconclusive') for ends in found[name].values()):14}"
        print(line)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--venvs", type=Path, default=Path(tempfile.gettempdir(), "classroom-venvs"))
    options.add_argument("--students", type=int, default=20)
    options.add_argument("--exercise", action="append", choices=list(WRONG))
    options.add_argument("--tool", action="append", choices=[name for name, *_ in TOOLS], default=[])
    chosen = options.parse_args()
    for exercise in chosen.exercise or WRONG:
        compare(make_class(exercise, chosen.students), chosen.venvs.resolve(), chosen.tool)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--record", path, *arguments]:
            record(path, arguments)
        case ["--replay", path]:
            replay(path)
        case _:
            main()
