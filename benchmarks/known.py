"""Runs in the sandbox: programs whose efficiency is known because they are made so. For benchmarks/verdicts.py."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.synchronize import Lock

#: Pieces that a worker's share of the work is done in.
PIECES = 40


def run(design: str, efficiency: float, n_workers: int, steps: int) -> int:
    """Do `steps` steps of work with `n_workers` processes that use them to `efficiency`; returns the steps asked for."""
    context = multiprocessing.get_context("fork")
    lock = context.Lock()
    shares = DESIGNS[design](efficiency, n_workers, steps)
    workers = [context.Process(target=compute, args=(lock, *share)) for share in shares]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return steps


def compute(lock: Lock, alone: float, locked: float) -> None:
    """One worker: so many steps by itself, and so many with the lock held, in turn."""
    for _ in range(PIECES):
        spin(alone / PIECES)
        if locked:
            with lock:
                spin(locked / PIECES)


def spin(steps: float) -> float:
    value = 0.1
    for _ in range(round(steps)):
        value = value * 1.0000001 + 0.5
    return value


def added_work(efficiency: float, n_workers: int, steps: int) -> list[tuple[float, float]]:
    """Every worker does more than its share."""
    return [(steps / n_workers / efficiency, 0.0)] * n_workers


def imbalance(efficiency: float, n_workers: int, steps: int) -> list[tuple[float, float]]:
    """The first worker has too much, the others share the rest."""
    first = steps / n_workers / efficiency
    return [(first, 0.0)] + [((steps - first) / (n_workers - 1), 0.0)] * (n_workers - 1)


def turns(efficiency: float, n_workers: int, steps: int) -> list[tuple[float, float]]:
    """A part of the work is done with one lock held, and takes as long as all may take."""
    # Bounded by the lock, all takes what is done under it (Amdahl 1967), which is to be 1 / (workers * efficiency).
    share = steps / n_workers
    locked = share / (n_workers * efficiency) if efficiency < 1 else 0.0
    return [(share - locked, locked)] * n_workers


DESIGNS: dict[str, Callable[[float, int, int], list[tuple[float, float]]]] = {
    "added work": added_work,
    "imbalance": imbalance,
    "lock": turns,
}
