"""How often the tests of streams fail right submissions of exercise 04, and how often they find planted defects.

    python benchmarks/streams.py [--submissions 1000] [--gradings 40] [--tries 20]

Right submissions are simulated as arrays: numpy's SeedSequence.spawn, Philox jumped, PCG64 with hashed seeds, and float32
draws that were widened. A rate of 1 in 100,000 cannot be seen in minutes, so the same tests run at rates of 1 in 100 and
1 in 1000, single correlations down to 1 in 1,000,000, and whole gradings with ten thousand times the risks.
"""

import argparse
import dataclasses
import hashlib
import importlib.util
import itertools
import math
import os
import platform
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from autograder.checks.asserts import CheckFailedError
from autograder.measure.determinism import (
    Aspect,
    Numbers,
    lag_correlations,
    magnitude_scores,
    misfits,
    repeats,
    seed_families,
    strongest_correlation,
)

CHECKS = Path(__file__).resolve().parent.parent / "solutions" / "04_seeding" / "test_seeding.py"
LEVELS = (1e-2, 1e-3)
#: The shape of the public check's arrays.
ROWS, LENGTH = 4, 1000
PAIRS = list(itertools.combinations(range(ROWS), 2))
#: As many submissions are transformed at a time.
CHUNK = 25


# -- right submissions ------------------------------------------------------------------------------------


def spawned(seed: int, rows: int, length: int) -> Numbers:
    streams = np.random.SeedSequence(seed).spawn(rows)
    return np.stack([np.random.default_rng(stream).standard_normal(length) for stream in streams])


def jumped(seed: int, rows: int, length: int) -> Numbers:
    plain = np.random.Philox(seed)
    return np.stack([np.random.Generator(plain.jumped(rank)).standard_normal(length) for rank in range(rows)])


def hashed(seed: int, rows: int, length: int) -> Numbers:
    seeds = [int.from_bytes(hashlib.sha256(f"{seed} {rank}".encode()).digest()) for rank in range(rows)]
    return np.stack([np.random.Generator(np.random.PCG64(one)).standard_normal(length) for one in seeds])


def widened(seed: int, rows: int, length: int) -> Numbers:
    streams = np.random.SeedSequence(seed).spawn(rows)
    drawn = [np.random.default_rng(stream).standard_normal(length, dtype=np.float32) for stream in streams]
    return np.stack(drawn).astype(np.float64)


Draw = Callable[[int, int, int], Numbers]
RIGHT: dict[str, Draw] = {"spawned": spawned, "jumped": jumped, "hashed": hashed, "float32": widened}


# -- false alarms -----------------------------------------------------------------------------------------


def correlations(draw: Draw, submissions: int, aspect: Aspect) -> Iterator[tuple[Numbers, int]]:
    """Of some submissions at a time the logarithms of the chances, shape (submissions, pairs x lags), and the number of lags."""
    one, other = (list(side) for side in zip(*PAIRS, strict=True))
    for begin in range(0, submissions, CHUNK):
        arrays = np.stack([draw(10**6 + seed, ROWS, LENGTH) for seed in range(begin, begin + CHUNK)])
        if aspect is Aspect.MAGNITUDES:
            arrays = magnitude_scores(arrays)
        table = lag_correlations(arrays[:, one].reshape(-1, LENGTH), arrays[:, other].reshape(-1, LENGTH))
        yield table.log_chances.reshape(CHUNK, -1), table.lags.size


def correlation_alarms(submissions: int) -> None:
    singles: Counter[float] = Counter()
    total = 0
    for name, draw in RIGHT.items():
        for aspect in Aspect:
            alarms: Counter[float] = Counter()
            for log_chances, _ in correlations(draw, submissions, aspect):
                family = log_chances.min(axis=1) + math.log(log_chances.shape[1])
                alarms.update({level: int((family <= math.log(level)).sum()) for level in LEVELS})
                single = (1e-3, 1e-4, 1e-5, 1e-6)
                singles.update({level: int((log_chances <= math.log(level)).sum()) for level in single})
                total += log_chances.size
            tell(f"correlation of {aspect.name.lower()}, {name}", alarms, submissions)
    print(f"\nsingle correlations: {total:,}")
    for level, count in sorted(singles.items(), reverse=True):
        print(
            f"  at a rate of {level:g} per correlation: {count / total:.2e} ({count} alarms, {level * total:.0f} allowed)"
        )
    print()


def normal_alarms(submissions: int) -> None:
    for name, draw in RIGHT.items():
        alarms: dict[str, Counter[float]] = {}
        for seed in range(submissions):
            for found in misfits(draw(2 * 10**6 + seed, 1, 600)):
                counts = alarms.setdefault(found.trait.name.lower(), Counter())
                counts.update({level: int(found.chance <= level) for level in LEVELS})
        for trait, counts in alarms.items():
            tell(f"{trait} of 600, {name}", counts, submissions)


def repeat_alarms(submissions: int) -> None:
    """Long rows, because in short ones no float32 meets another often enough to be seen."""
    for name in ("spawned", "float32"):
        alarms: Counter[float] = Counter()
        for seed in range(submissions):
            rows = RIGHT[name](3 * 10**6 + seed, 2, 10_000)
            alarms.update({level: len(repeats(rows, [(0, 1)], level)) for level in LEVELS})
        tell(f"numbers in common of 2 x 10,000, {name}", alarms, submissions)


def tell(what: str, alarms: Counter[float], tries: int) -> None:
    rates = "".join(f"{alarms[level] / tries:>11.4f}" for level in LEVELS)
    print(f"{what:<52}{tries:>7}{rates}", flush=True)


# -- whole gradings ---------------------------------------------------------------------------------------


def checks_with(factor: float) -> tuple[ModuleType, float]:
    """The checks of exercise 04 as a module, with their risks times ``factor``, and the sum of these."""
    spec = importlib.util.spec_from_file_location("checks_of_seeding", CHECKS)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    risks = {name: factor * risk for name, risk in dataclasses.asdict(module.RISKS).items()}
    module.RISKS = dataclasses.replace(module.RISKS, **risks)
    return module, sum(risks.values())


def graded(checks: Any, draw: Draw, number: int) -> list[str]:
    """The checks of chance that fail one right submission; its sandbox is a few lambdas."""
    seeds = itertools.count(5 * 10**6 + 1000 * number)
    own: dict[int, int] = {}

    def plain(seed: int, n_workers: int, n_samples: int, **_: str) -> Numbers:
        return draw(own.setdefault(seed, next(seeds)), n_workers, n_samples)

    def noise(seed: int, n_items: int, _: int) -> Numbers:
        return draw(own.setdefault(10**6 + seed, next(seeds)), 1, n_items)[0]

    driver = SimpleNamespace(
        draws=lambda calls: [plain(*call) for call in calls], noises=lambda calls: [noise(*call) for call in calls]
    )
    submission = SimpleNamespace(draw=plain)
    failed = []
    for check, against in (
        (checks.test_draw_is_standard_normal, submission),
        (checks.test_no_row_repeats_another, driver),
        (checks.test_neighbouring_seeds_share_no_row, driver),
        (checks.test_streams_stay_apart_for_other_seeds_and_sizes, driver),
        (checks.test_noise_is_standard_normal, driver),
        (checks.test_noise_of_the_next_seed_is_not_shifted, driver),
        (checks.test_noise_of_other_seeds_has_no_item_in_common, driver),
    ):
        try:
            check(against)
        except CheckFailedError:
            failed.append(check.__name__)
    return failed


def grading_alarms(gradings: int, factor: float) -> None:
    checks, allowed = checks_with(factor)
    failed: Counter[str] = Counter()
    lost = 0
    for number in range(gradings):
        names = graded(checks, list(RIGHT.values())[number % len(RIGHT)], number)
        failed.update(names)
        lost += bool(names)
    print(
        f"\nwhole gradings, risks times {factor:g}: {lost} of {gradings} lose a check, {allowed * gradings:.1f} allowed"
    )
    for name, count in failed.items():
        print(f"  {count} x {name}")


# -- planted defects --------------------------------------------------------------------------------------


def planted(length: int) -> dict[str, Callable[[Numbers, np.random.Generator], None]]:
    """What each defect does to independent rows, in place."""

    def equal(rows: Numbers, _: object) -> None:
        rows[1] = rows[0]

    def shifted(by: int, factor: float = 1.0) -> Callable[[Numbers, np.random.Generator], None]:
        def plant(rows: Numbers, _: object) -> None:
            rows[1][: length - by] = factor * rows[0][by:]

        return plant

    def flipped(rows: Numbers, chance: np.random.Generator) -> None:
        rows[1] = rows[0] * chance.choice([-1.0, 1.0], length)

    def rounded(rows: Numbers, _: object) -> None:
        rows[1] = rows[0].astype(np.float32)

    def affine(rows: Numbers, _: object) -> None:
        rows[1] = 0.5 * rows[0] + 3

    def correlated(strength: float, lag: int) -> Callable[[Numbers, np.random.Generator], None]:
        def plant(rows: Numbers, _: object) -> None:
            rows[1] = strength * np.roll(rows[0], lag) + math.sqrt(1 - strength**2) * rows[1]

        return plant

    def autoregressive(rows: Numbers, _: object) -> None:
        for rank in range(1, len(rows)):
            rows[rank] = 0.35 * rows[rank - 1] + math.sqrt(1 - 0.35**2) * rows[rank]

    def magnitudes(rows: Numbers, chance: np.random.Generator) -> None:
        rows[:2] *= np.exp(0.4 * chance.standard_normal(length))

    return {
        "equal rows": equal,
        "shifted by 1": shifted(1),
        "shifted, 10 numbers overlap": shifted(length - 10),
        "negated, shifted by 7": shifted(7, -1.0),
        "signs drawn anew": flipped,
        "copy rounded to float32": rounded,
        "affine copy": affine,
        "correlation 0.1 at lag 3": correlated(0.1, 3),
        "correlation 0.2 at lag 3": correlated(0.2, 3),
        "correlation 0.3 at lag 3": correlated(0.3, 3),
        "AR(1) 0.35 between rows": autoregressive,
        "large at the same places": magnitudes,
    }


def power(tries: int) -> None:
    risk = checks_with(1.0)[0].RISKS.rows
    print(
        f"\n{'found by (risk ' + format(risk, 'g') + ')':<30}{'length':>8}{'repeats':>9}{'numbers':>9}{'magnitudes':>12}"
    )
    for length in (1000, 10_000):
        for name, plant in planted(length).items():
            found: Counter[str] = Counter()
            for seed in range(tries):
                rows = spawned(7 * 10**6 + seed, ROWS, length)
                plant(rows, np.random.default_rng(seed))
                found["repeats"] += bool(repeats(rows, PAIRS, risk / 3))
                for aspect in Aspect:
                    found[aspect.name] += strongest_correlation(rows, PAIRS, risk / 3, aspect) is not None
            figures = [f"{found[key] / tries:.0%}" for key in ("repeats", "NUMBERS", "MAGNITUDES")]
            print(f"{name:<30}{length:>8}{figures[0]:>9}{figures[1]:>9}{figures[2]:>12}", flush=True)
    family = sum(
        bool(seed_families({s: spawned_by_sum(s) for s in (seed, seed + 1)})) for seed in range(0, 10 * tries, 10)
    )
    print(f"{'seed + rank, neighbour seeds':<30}{LENGTH:>8}{family / tries:>9.0%}")


def spawned_by_sum(seed: int) -> Numbers:
    return np.stack([np.random.default_rng(seed + rank).standard_normal(LENGTH) for rank in range(ROWS)])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--submissions", type=int, default=1000)
    options.add_argument("--gradings", type=int, default=40)
    options.add_argument("--tries", type=int, default=20)
    chosen = options.parse_args()
    submissions = max(CHUNK, chosen.submissions // CHUNK * CHUNK)
    started = time.monotonic()
    print(
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, numpy {np.__version__}"
    )
    print(
        f"\n{'right submissions: share of alarms at a rate of':<52}{'tries':>7}" + "".join(f"{x:>11g}" for x in LEVELS)
    )
    normal_alarms(submissions)
    repeat_alarms(submissions // 2)
    correlation_alarms(submissions)
    grading_alarms(chosen.gradings, 1e4)
    power(chosen.tries)
    print(f"\n{time.monotonic() - started:.0f} seconds")


if __name__ == "__main__":
    main()
