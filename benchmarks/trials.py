"""What benchmarks that count wrong verdicts share: busy neighbours, the bound on a rate, and what the machine is."""

import contextlib
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator


def machine() -> str:
    """The facts without which a figure says nothing."""
    return f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}"


def spin(come_and_go: bool = False) -> None:
    """Compute for as long as who started it is there, without a break or for a third of a second now and then."""
    while multiprocessing.parent_process().is_alive():  # type: ignore[union-attr]
        end = time.monotonic() + 0.3
        while time.monotonic() < end:
            pass
        if come_and_go:
            time.sleep(0.3)


@contextlib.contextmanager
def busy(number: int) -> Iterator[None]:
    """`number` processes that compute without end, for as long as this lasts; -1 is one that comes and goes."""
    context = multiprocessing.get_context("spawn")
    neighbours = [context.Process(target=spin, args=(number < 0,), daemon=True) for _ in range(abs(number))]
    for neighbour in neighbours:
        neighbour.start()
    try:
        yield
    finally:
        for neighbour in neighbours:
            neighbour.kill()
            neighbour.join()


def upper_bound(wrong: int, total: int) -> float:
    """The rate at which so few wrong ones or fewer would be seen in 1 of 20 tries (Clopper and Pearson, Biometrika 1934)."""
    low, high = 0.0, 1.0
    for _ in range(60):
        rate = (low + high) / 2
        chance, term = 0.0, (1 - rate) ** total
        for count in range(wrong + 1):
            chance += term
            term *= (total - count) / (count + 1) * (rate / (1 - rate) if rate < 1 else 0.0)
        low, high = (rate, high) if chance > 0.05 else (low, rate)
    return high
