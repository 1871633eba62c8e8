"""Counts wrong verdicts: of speedups that are known, and of everything that the repository can grade.

    python benchmarks/verdicts.py speedup [--designs ...] [--repeat 1] [--workers 2 4 8] [--cores 2 1] [--busy 0 1 2 4 -1]
    python benchmarks/verdicts.py gradings [NAME ...] [--repeat 20] [--busy 0 2]

`speedup` judges programs of known efficiency (100 to 50% of an even split: by added work, by imbalance, by turns at a lock)
against a threshold of 75%, on so many cores, beside so many busy processes; -1 is one that comes and goes. What is true is
told by the programs: the CPU time along their longest chain of work, beside that of the even split in the same pair. A verdict
is wrong when its credit is off the true one's by more than a half; 15% from the threshold, when it is off at all. A program
without a verdict is inconclusive ("open"), and counted.

`gradings` grades references, stubs and wrong submissions. A verdict is wrong when a reference loses a point, a stub has full
marks, or a wrong submission gets a point for the check that it must fail at.

The bound is the upper 95% limit on the rate (Clopper and Pearson, Biometrika 1934).
"""

import argparse
import itertools
import os
import statistics
import sys
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from trials import busy, machine, upper_bound

from autograder.catalog.exercises import Course
from autograder.checks.asserts import CheckFailedError, InconclusiveError
from autograder.checks.remote import RemoteModule
from autograder.checks.speedup import Speedup
from autograder.classroom.selfcheck import Proof, Role, proofs, prove
from autograder.measure.observation import Observation
from autograder.measure.sequential import ramp
from autograder.records import Limits
from autograder.sandbox import ZygoteSandbox

HERE = Path(__file__).resolve().parent
THRESHOLD = 0.75
EFFICIENCIES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
DESIGNS = ("added work", "imbalance", "lock")
#: Beyond this factor above or below the threshold every verdict must be right.
MARGIN = 1.15


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of judging one program; `credit` is None where there was no verdict."""

    true: float
    measured: float
    pairs: int
    credit: float | None

    @property
    def far(self) -> bool:
        """Whether its efficiency is so far from the threshold that every verdict must be right."""
        return not 1 / MARGIN < self.true / THRESHOLD < MARGIN

    @property
    def wrong(self) -> bool:
        """Whether the verdict is one that must not be."""
        if self.credit is None:
            return False
        return abs(self.credit - ramp(self.true, THRESHOLD)) > (0.0 if self.far else 0.5)


def speedup(options: argparse.Namespace) -> None:
    """Judge programs of known efficiency."""
    print(f"{machine()}; {options.repeat} x {options.workers} workers; credit from 75% down to 67.5%")
    print(
        f"{'design':<12}{'cores':>5}{'busy':>6}{'efficiency':>12}{'verdicts':>10}{'wrong':>7}{'open':>6}{'credit':>8}",
        end="",
    )
    print(f"{'true':>18}{'measured / true':>18}{'pairs':>7}{'seconds':>9}")
    everything: dict[str, list[Judged]] = defaultdict(list)
    ours = os.sched_getaffinity(0)
    for cores, neighbours in itertools.product(options.cores, options.busy):
        os.sched_setaffinity(0, sorted(ours)[:cores])
        with busy(neighbours), ZygoteSandbox() as sandbox:
            for design, efficiency in itertools.product(options.designs, EFFICIENCIES):
                started = time.monotonic()
                turns = itertools.product(options.workers, range(options.repeat))
                row = [judge(sandbox, design, efficiency, workers, turn) for workers, turn in turns]
                show(row, design, efficiency, cores, neighbours, time.monotonic() - started)
                everything[design] += row
    os.sched_setaffinity(0, ours)
    for design, judged in everything.items():
        for far, where in ((True, "15% and more from the threshold"), (False, "nearer to it")):
            chosen = [one for one in judged if one.far is far]
            wrong, without = sum(one.wrong for one in chosen), sum(one.credit is None for one in chosen)
            bound = upper_bound(wrong, len(chosen)) if chosen else 1.0
            print(
                f"{design}, {where}: {wrong} of {len(chosen)} wrong, at most {bound:.2%}; {without} without a verdict"
            )


def judge(sandbox: ZygoteSandbox, design: str, efficiency: float, workers: int, turn: int) -> Judged:
    """One verdict on one program."""
    files = {"known.py": (HERE / "known.py").read_bytes()}
    module = RemoteModule(lambda: sandbox, files, "known", Limits(wall_seconds=60.0, cpu_seconds=120.0))
    measured: dict[str, float] = {}
    spans: dict[str, list[float]] = defaultdict(list)

    def run(who: str, design: str, efficiency: float, steps: int) -> Observation:
        seen = module.observe("run", design, efficiency, workers, steps)
        spans[who].append(seen.value["span"])
        return seen

    credit: float | None = 1.0
    try:
        Speedup(measured, f"{design} {efficiency} {workers} {turn}")(
            # So much for each worker, that the start of the processes, which all designs have, tells little.
            case=lambda rng: workers * rng.randrange(6_000_000, 6_500_000),
            student=lambda steps: run("student", design, efficiency, steps),
            yardstick=lambda steps, _: run("yardstick", "added work", 1.0, steps),
            needed=THRESHOLD,
            compare=lambda ours, theirs: None if ours["steps"] == theirs["steps"] else "It did other work.",
        )
    except CheckFailedError as failed:
        credit = failed.credit
    except InconclusiveError:
        credit = None
    true = sum(spans["yardstick"]) / sum(spans["student"])
    return Judged(true, measured["efficiency"], int(measured["pairs"]), credit)


def show(row: list[Judged], design: str, efficiency: float, cores: int, neighbours: int, seconds: float) -> None:
    """The row as a line."""
    given = [one.credit for one in row if one.credit is not None]
    credit = f"{statistics.fmean(given):.2f}" if given else "-"
    beside = neighbours if neighbours >= 0 else "+-1"
    print(
        f"{design:<12}{cores:>5}{beside:>6}{efficiency:>12.0%}{len(row):>10}{sum(one.wrong for one in row):>7}"
        f"{len(row) - len(given):>6}{credit:>8}{spread([one.true for one in row]):>18}"
        f"{spread([one.measured / one.true for one in row]):>18}{statistics.fmean(one.pairs for one in row):>7.1f}{seconds:>9.0f}",
        flush=True,
    )


def spread(values: list[float]) -> str:
    """Median and range."""
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


def gradings(options: argparse.Namespace) -> None:
    """Grade what the repository has."""
    course = Course.find(HERE)
    folders = [course.get(name) for name in options.names] or list(course.exercises())
    print(f"{machine()}; {options.repeat} repeats")
    print(f"{'exercise':<14}{'files':<11}{'busy':>5}{'verdicts':>10}{'wrong':>7}{'at most':>9}{'seconds':>9}")
    for folder, neighbours in itertools.product(folders, options.busy):
        wanted = [proof for proof in proofs(course, [folder]) if proof.role.name.lower() in options.roles]
        with busy(neighbours):
            tally = Tally(len(wanted) * options.repeat)
            prove(wanted * options.repeat, on_proof=tally.note)
        for role, seconds in tally.seconds.items():
            print(
                f"{folder.exercise.name:<14}{role.name.lower():<11}{neighbours:>5}{len(seconds):>10}{tally.wrong[role]:>7}"
                f"{upper_bound(tally.wrong[role], len(seconds)):>9.2%}{sum(seconds):>9.0f}",
                flush=True,
            )
        for complaint, times in tally.complaints.items():
            print(f"    {times} x {complaint}")


@dataclass(slots=True)
class Tally:
    """Counts verdicts as they come, and shows on standard error how far it is."""

    total: int
    seconds: dict[Role, list[float]] = field(default_factory=lambda: defaultdict(list))
    wrong: Counter[Role] = field(default_factory=Counter)
    complaints: Counter[str] = field(default_factory=Counter)
    _last: float = field(default_factory=time.monotonic)

    def note(self, proof: Proof, complaint: str) -> None:
        """Take in the next verdict; it is wrong where there is a complaint."""
        now = time.monotonic()
        self.seconds[proof.role].append(now - self._last)
        self._last = now
        if complaint:
            self.wrong[proof.role] += 1
            self.complaints[f"{proof.path.name}: {complaint.splitlines()[0]}"] += 1
        done = sum(map(len, self.seconds.values()))
        print(f"\r{done} of {self.total}, {self.wrong.total()} wrong ", end="", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    known = commands.add_parser("speedup")
    known.set_defaults(run=speedup)
    known.add_argument("--designs", nargs="+", choices=DESIGNS, default=DESIGNS)
    known.add_argument("--repeat", type=int, default=1)
    known.add_argument("--workers", type=int, nargs="+", default=[2, 4, 8])
    known.add_argument("--cores", type=int, nargs="+", default=[2, 1])
    known.add_argument("--busy", type=int, nargs="+", default=[0, 1, 2, 4, -1])
    graded = commands.add_parser("gradings")
    graded.set_defaults(run=gradings)
    graded.add_argument("names", nargs="*")
    graded.add_argument("--repeat", type=int, default=20)
    graded.add_argument("--busy", type=int, nargs="+", default=[0, 2])
    graded.add_argument("--roles", nargs="+", default=["reference", "stub", "wrong"])
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
