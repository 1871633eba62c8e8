"""Runs in the sandbox: programs whose efficiency is known because they are made so. For benchmarks/verdicts.py."""

import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.synchronize import Lock

#: Pieces that a worker's share of the work is done in.
PIECES = 40


def run(design: str, efficiency: float, n_workers: int, steps: int) -> dict[str, float]:
    """Do `steps` steps of work with `n_workers` processes that use them to `efficiency`.

    Returns the steps asked for, and `span`: the CPU time in seconds along the longest chain of work that waits for work.
    It is what the call would have taken on free cores of the speed that these cores had: two hyperthreads of one core that
    both work are slower than one alone, so a program that leaves one idle is better than its steps say.
    """
    started = time.thread_time()
    context = multiprocessing.get_context("fork")
    lock = context.Lock()
    shares = DESIGNS[design](efficiency, n_workers, steps)
    cpu = context.RawArray("d", 2 * n_workers)
    workers = [context.Process(target=compute, args=(lock, *share, cpu, rank)) for rank, share in enumerate(shares)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    alone, locked = cpu[:n_workers], cpu[n_workers:]
    # All want the lock after their first piece; from then on somebody holds it.
    chain = max(map(sum, zip(alone, locked, strict=True)))
    span = max(chain, min(alone) / PIECES + sum(locked))
    return {"steps": steps, "span": time.thread_time() - started + span}


def compute(lock: Lock, alone: float, locked: float, cpu: list[float], rank: int) -> None:
    """One worker: so many steps by itself, and so many with the lock held, in turn; notes the CPU time of both."""
    at_lock = 0.0
    for _ in range(PIECES):
        spin(alone / PIECES)
        if locked:
            with lock:
                before = time.thread_time()
                spin(locked / PIECES)
                at_lock += time.thread_time() - before
    cpu[rank] = time.thread_time() - at_lock
    cpu[len(cpu) // 2 + rank] = at_lock


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
