"""Counts wrong verdicts: of speedups that are known, and of everything that the repository can grade.

    python benchmarks/verdicts.py speedup [--repeat 1] [--workers 2 4 8] [--cores 2 1] [--busy 0 1 2 4 -1]
    python benchmarks/verdicts.py gradings [NAME ...] [--repeat 20] [--busy 0 2]

`speedup` judges programs of known efficiency (100 to 50% of an even split: by added work, by imbalance, by turns at a lock)
against a threshold of 75%, on so many cores, beside so many busy processes; -1 is one that comes and goes. A verdict is wrong
when its credit is off the true one's by more than a half; 15% from the threshold, when it is off at all. A program without a
verdict is inconclusive: allowed between those bounds, and counted.

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
from autograder.measure.sequential import ramp
from autograder.records import Limits
from autograder.sandbox import ZygoteSandbox

HERE = Path(__file__).resolve().parent
THRESHOLD = 0.75
EFFICIENCIES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
DESIGNS = ("added work", "imbalance", "lock")
#: Beyond this factor above or below the threshold every verdict must be right.
MARGIN = 1.15


@dataclass(slots=True)
class Row:
    """What came of judging one efficiency."""

    credits: list[float] = field(default_factory=list)
    measured: list[float] = field(default_factory=list)
    pairs: list[int] = field(default_factory=list)
    inconclusive: int = 0
    wrong: int = 0


def speedup(options: argparse.Namespace) -> None:
    """Judge programs of known efficiency."""
    print(
        f"{machine()}; {options.repeat} x {', '.join(DESIGNS)} x {options.workers} workers; credit from 75% down to 67.5%"
    )
    print(f"{'cores':>5}{'busy':>6}{'efficiency':>12}{'verdicts':>10}{'wrong':>7}{'open':>6}{'credit':>8}", end="")
    print(f"{'measured':>18}{'pairs':>7}{'seconds':>9}")
    everything: dict[bool, Counter[str]] = defaultdict(Counter)
    ours = os.sched_getaffinity(0)
    for cores, neighbours in itertools.product(options.cores, options.busy):
        os.sched_setaffinity(0, sorted(ours)[:cores])
        with busy(neighbours), ZygoteSandbox() as sandbox:
            for efficiency in EFFICIENCIES:
                row, started = Row(), time.monotonic()
                for design, workers, turn in itertools.product(DESIGNS, options.workers, range(options.repeat)):
                    judge(sandbox, row, design, efficiency, workers, turn)
                show(row, efficiency, cores, neighbours, time.monotonic() - started)
                far = not 1 / MARGIN < efficiency / THRESHOLD < MARGIN
                everything[far].update(verdicts=len(row.credits) + row.inconclusive, wrong=row.wrong)
    os.sched_setaffinity(0, ours)
    for far, counts in everything.items():
        where = "15% and more from the threshold" if far else "nearer to it"
        bound = upper_bound(counts["wrong"], counts["verdicts"])
        print(f"{where}: {counts['wrong']} of {counts['verdicts']} wrong, at most {bound:.2%}")


def judge(sandbox: ZygoteSandbox, row: Row, design: str, efficiency: float, workers: int, turn: int) -> None:
    """One verdict on one program."""
    files = {"known.py": (HERE / "known.py").read_bytes()}
    module = RemoteModule(lambda: sandbox, files, "known", Limits(wall_seconds=60.0, cpu_seconds=120.0))
    measured: dict[str, float] = {}
    credit = 1.0
    try:
        Speedup(measured, f"{design} {efficiency} {workers} {turn}")(  # type: ignore[arg-type]
            # So much for each worker, that the start of the processes, which all designs have, tells little.
            case=lambda rng: workers * rng.randrange(6_000_000, 6_500_000),
            student=lambda steps: module.observe("run", design, efficiency, workers, steps),
            yardstick=lambda steps, _: module.observe("run", "added work", 1.0, workers, steps),
            needed=THRESHOLD,
        )
    except CheckFailedError as failed:
        credit = failed.credit
    except InconclusiveError:
        row.inconclusive += 1
        row.wrong += not 1 / MARGIN < efficiency / THRESHOLD < MARGIN
        return
    finally:
        row.measured.append(measured["efficiency"])
        row.pairs.append(int(measured["pairs"]))
    row.credits.append(credit)
    off = abs(credit - ramp(efficiency, THRESHOLD))
    row.wrong += off > (0.5 if 1 / MARGIN < efficiency / THRESHOLD < MARGIN else 0.0)


def show(row: Row, efficiency: float, cores: int, neighbours: int, seconds: float) -> None:
    """The row as a line."""
    credit = f"{statistics.fmean(row.credits):.2f}" if row.credits else "-"
    spread = f"{statistics.median(row.measured):.2f} ({min(row.measured):.2f}-{max(row.measured):.2f})"
    beside = neighbours if neighbours >= 0 else "+-1"
    print(
        f"{cores:>5}{beside:>6}{efficiency:>12.0%}{len(row.credits) + row.inconclusive:>10}{row.wrong:>7}"
        f"{row.inconclusive:>6}{credit:>8}{spread:>18}{statistics.fmean(row.pairs):>7.1f}{seconds:>9.0f}",
        flush=True,
    )


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
