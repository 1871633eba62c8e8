"""Judges right designs and wrong solutions of the race exercise again and again, and counts wrong verdicts and time.

    python benchmarks/races.py [NAME ...] [--repeat 20] [--busy 0 2]

Right are the designs in tests/measure/right_races and the reference: every check that explores must pass them. Wrong are
the files in solutions/03_race/wrong: the check that they name must fail them. All of it is judged as `autograder grade`
does. The bound is the upper 95% limit on the rate of wrong verdicts; the milliseconds are those of one verdict of one check.
"""

import argparse
import ast
import statistics
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from trials import busy, machine, upper_bound

from autograder.catalog.exercises import Course, ExerciseFolder
from autograder.catalog.submissions import Submission
from autograder.catalog.text import read_own
from autograder.checks.engine import grade
from autograder.checks.tasks import Sandboxes, Task
from autograder.records import Outcome, Verdict

HERE = Path(__file__).resolve().parent
RIGHT = HERE.parent / "tests" / "measure" / "right_races"
LOSES = (Outcome.FAILED, Outcome.TIMEOUT, Outcome.CRASHED)


@dataclass(slots=True)
class Row:
    """What came of judging one or more designs."""

    seconds: list[float] = field(default_factory=list)
    complaints: Counter[str] = field(default_factory=Counter)

    def note(self, verdict: Verdict, passes: bool) -> None:
        """Take in a verdict on a design that must pass, or must lose."""
        self.seconds.append(verdict.seconds)
        if not (verdict.outcome is Outcome.PASSED if passes else verdict.outcome in LOSES):
            self.complaints[f"{verdict.name} {verdict.outcome}: {verdict.message.splitlines()[:1]}"] += 1

    def add(self, other: "Row") -> None:
        """Take in another row."""
        self.seconds += other.seconds
        self.complaints += other.complaints

    def show(self, name: str, neighbours: int) -> None:
        """Print it as a line."""
        wrong = self.complaints.total()
        print(
            f"{name:<36}{neighbours:>5}{len(self.seconds):>10}{wrong:>7}{upper_bound(wrong, len(self.seconds)):>9.2%}"
            f"{1000 * statistics.median(self.seconds):>8.0f}{1000 * max(self.seconds):>8.0f}",
            flush=True,
        )
        for complaint, times in self.complaints.items():
            print(f"    {times} x {complaint}")


def exploring(folder: ExerciseFolder) -> list[str]:
    """The checks that judge by interleavings."""
    functions = [node for node in ast.parse(read_own(folder.tests)).body if isinstance(node, ast.FunctionDef)]
    return [function.name for function in functions if "explore" in {one.arg for one in function.args.args}]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("names", nargs="*", help="designs, by the names of their files; all where none is named")
    options.add_argument("--repeat", type=int, default=20)
    options.add_argument("--busy", type=int, nargs="+", default=[0, 2])
    chosen = options.parse_args()
    folder = Course.find(HERE).get("race")
    checks = exploring(folder)
    designs = [(path, checks, True) for path in (folder.reference, *sorted(RIGHT.glob("*.py")))]
    designs += [(entry.path, [entry.fails], False) for entry in folder.wrong()]
    if unknown := set(chosen.names) - {path.stem for path, _, _ in designs}:
        options.error(f"no design called {', '.join(sorted(unknown))}")
    print(f"{machine()}; {chosen.repeat} repeats")
    print(f"{'design':<36}{'busy':>5}{'verdicts':>10}{'wrong':>7}{'at most':>9}{'median':>8}{'max ms':>8}")
    for neighbours in chosen.busy:
        totals = {True: Row(), False: Row()}
        with busy(neighbours), Sandboxes() as sandboxes:
            for path, names, passes in designs:
                if chosen.names and path.stem not in chosen.names:
                    continue
                submission = Submission("", folder.exercise.name, path, read_own(path))
                row = Row()
                for result in grade([Task.of(submission, folder, names)] * chosen.repeat, sandboxes):
                    for verdict in result.checks:
                        if verdict.name in names:
                            row.note(verdict, passes)
                row.show(f"{'right' if passes else 'wrong'} {path.stem}", neighbours)
                totals[passes].add(row)
        for passes, total in totals.items():
            if total.seconds:
                total.show(f"all {'right' if passes else 'wrong'}", neighbours)


if __name__ == "__main__":
    main()
