"""Grades references and wrong submissions again and again, idle and beside busy processes, and counts wrong verdicts.

    python benchmarks/repeat.py [NAME ...] [--repeat 20] [--busy 0 2]

A wrong verdict is a reference that loses a point, a stub with full marks, or a wrong submission that does not fail at the check
it names. The bound is the upper 95% limit of Clopper and Pearson (Biometrika 1934) on their rate.
"""

import argparse
import contextlib
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from autograder.catalog.exercises import Course
from autograder.classroom.selfcheck import Proof, Role, proofs, prove


def spin() -> None:
    while True:
        pass


@contextlib.contextmanager
def busy(number: int) -> Iterator[None]:
    """`number` processes that compute without end, for as long as this lasts."""
    context = multiprocessing.get_context("spawn")
    neighbours = [context.Process(target=spin, daemon=True) for _ in range(number)]
    for neighbour in neighbours:
        neighbour.start()
    try:
        yield
    finally:
        for neighbour in neighbours:
            neighbour.kill()
            neighbour.join()


def upper_bound(wrong: int, total: int) -> float:
    """The rate at which so few wrong ones or fewer would be seen in 1 of 20 tries."""
    low, high = 0.0, 1.0
    for _ in range(60):
        rate = (low + high) / 2
        chance, term = 0.0, (1 - rate) ** total
        for count in range(wrong + 1):
            chance += term
            term *= (total - count) / (count + 1) * (rate / (1 - rate) if rate < 1 else 0.0)
        low, high = (rate, high) if chance > 0.05 else (low, rate)
    return high


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("names", nargs="*")
    options.add_argument("--repeat", type=int, default=20)
    options.add_argument("--busy", type=int, nargs="+", default=[0, 2])
    chosen = options.parse_args()
    course = Course.find(Path(__file__).parent)
    folders = [course.get(name) for name in chosen.names] or list(course.exercises())
    print(
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}; {chosen.repeat} repeats"
    )
    print(f"{'exercise':<14}{'files':<11}{'busy':>5}{'verdicts':>10}{'wrong':>7}{'at most':>9}{'seconds':>9}")
    for folder in folders:
        for number in chosen.busy:
            wanted = proofs(course, [folder])
            total, wrong, seen = Counter[Role](), Counter[Role](), Counter[str]()

            told: list[tuple[Proof, str]] = []
            started = time.monotonic()
            with busy(number):
                prove(wanted * chosen.repeat, on_proof=lambda *verdict, told=told: told.append(verdict))
            seconds = time.monotonic() - started
            for proof, complaint in told:
                total[proof.role] += 1
                wrong[proof.role] += bool(complaint)
                if complaint:
                    seen[f"{proof.path.name}: {complaint.splitlines()[0]}"] += 1
            for role in total:
                bound = upper_bound(wrong[role], total[role])
                print(
                    f"{folder.exercise.name:<14}{role.name.lower():<11}{number:>5}{total[role]:>10}{wrong[role]:>7}"
                    f"{bound:>9.2%}{seconds:>9.0f}",
                    flush=True,
                )
            for complaint, times in seen.items():
                print(f"    {times} x {complaint}")


if __name__ == "__main__":
    main()
