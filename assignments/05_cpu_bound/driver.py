"""Runs beside a submission of exercise 05: trajectories of a pendulum, and items that answer late or fail."""

import contextlib
import math
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

#: How long an item waits for another process that never comes; only designs without one make it wait to the end.
PATIENCE = 3.0
#: When no other item has been computed for so long, the others are taken to have done what they can.
QUIET = 0.3


# -- the story: trajectories of a pendulum ----------------------------------------------------------------


def trajectory(start: tuple[float, int]) -> tuple[float, float]:
    """Angle and speed of a pendulum after so many steps of the Runge-Kutta method; the steps are the cost."""
    angle, steps = start
    speed, step, sin = 0.0, 0.01, math.sin
    for _ in range(steps):
        pull1 = -sin(angle)
        speed2 = speed + 0.5 * step * pull1
        pull2 = -sin(angle + 0.5 * step * speed)
        speed3 = speed + 0.5 * step * pull2
        pull3 = -sin(angle + 0.5 * step * speed2)
        speed4 = speed + step * pull3
        pull4 = -sin(angle + step * speed3)
        angle += step / 6 * (speed + 2 * speed2 + 2 * speed3 + speed4)
        speed += step / 6 * (pull1 + 2 * pull2 + 2 * pull3 + pull4)
    return angle, speed


def short_trajectory(angle: float) -> float:
    """The angle after a few steps: a tiny item."""
    return trajectory((angle, 16))[0]


def expected(function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    """What the values should be; runs no code of a submission."""
    return [function(item) for item in items]


# -- notes that items leave for each other ----------------------------------------------------------------


@contextlib.contextmanager
def _folder() -> Iterator[str]:
    with tempfile.TemporaryDirectory(dir=".") as folder:
        yield str(Path(folder).resolve())


def _note(folder: str, what: object) -> None:
    """Append a line with the pid of this process; lines of several processes never mix."""
    file = os.open(Path(folder, "notes"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, f"{os.getpid()} {what}\n".encode())
    finally:
        os.close(file)


def _notes(folder: str) -> list[tuple[int, str]]:
    """(pid, what) of every line so far."""
    try:
        lines = Path(folder, "notes").read_text().splitlines()
    except FileNotFoundError:
        return []
    return [(int(pid), what) for pid, what in (line.split(" ", 1) for line in lines)]


def _let_others_go_first(folder: str) -> None:
    """Wait until other processes have computed all that they can while this item keeps its own process busy."""
    begin = changed = time.monotonic()
    before = -1
    while True:
        others = sum(pid != os.getpid() for pid, _ in _notes(folder))
        now = time.monotonic()
        if others != before:
            before, changed = others, now
        if now - begin > PATIENCE or (others and now - changed > QUIET):
            return
        time.sleep(0.005)


# -- order, failures, number of calls ---------------------------------------------------------------------


def map_with_one_late(n_items: int, late: int, n_workers: int) -> Any:
    """`parallel_map` where one item (none for -1) is answered after all that other processes can do."""
    import cpu_bound

    with _folder() as folder:
        items = [(folder, index, index == late) for index in range(n_items)]
        return cpu_bound.parallel_map(square_or_wait, items, n_workers)


def square_or_wait(item: tuple[str, int, bool]) -> int:
    folder, index, late = item
    if late:
        _let_others_go_first(folder)
    _note(folder, index)
    return index * index


class DivergedError(Exception):
    """A trajectory that left the table; can be pickled."""

    def __init__(self, index: int, where: str) -> None:
        super().__init__(index, where)
        self.index, self.where = index, where

    def __str__(self) -> str:
        return f"trajectory {self.index} diverged {self.where}"


def map_with_failures(n_items: int, failing: dict[int, str], late: int, n_workers: int) -> Any:
    """`parallel_map` where some items fail, of which one only after all that other processes can do."""
    import cpu_bound

    with _folder() as folder:
        items = [(folder, index, failing.get(index, ""), index == late) for index in range(n_items)]
        return cpu_bound.parallel_map(square_or_fail, items, n_workers)


def square_or_fail(item: tuple[str, int, str, bool]) -> int:
    folder, index, how, late = item
    if late:
        _let_others_go_first(folder)
    _note(folder, index)
    if how == "ValueError":
        raise ValueError(f"item {index} is bad")
    if how == "KeyError":
        raise KeyError(f"item {index}")
    if how == "DivergedError":
        raise DivergedError(index, "early")
    return index * index


def map_twice(n_items: int, n_workers: int) -> dict[str, Any]:
    """`parallel_map` twice on the same items: both results, and how often each item was computed."""
    import cpu_bound

    with _folder() as folder:
        items = [(folder, index) for index in range(n_items)]
        results = [cpu_bound.parallel_map(which_call, items, n_workers)]
        Path(folder, "second").touch()
        results.append(cpu_bound.parallel_map(which_call, items, n_workers))
        calls = [what for _, what in _notes(folder)]
    return {
        "results": results,
        "calls": [[calls.count(f"{which} {index}") for index in range(n_items)] for which in ("first", "second")],
    }


def which_call(item: tuple[str, int]) -> str:
    folder, index = item
    which = "second" if Path(folder, "second").exists() else "first"
    _note(folder, f"{which} {index}")
    return f"{which} {index}"


# -- the machine ------------------------------------------------------------------------------------------


def _say_16_cores() -> None:
    """Let no worker be left out for want of cores: the time for which one waits for a core is taken out anyhow."""
    for name in ("cpu_count", "process_cpu_count"):
        if hasattr(os, name):
            setattr(os, name, lambda: 16)
    if hasattr(os, "sched_getaffinity"):
        os.sched_getaffinity = lambda _: set(range(16))


_say_16_cores()  # now, before the submission is imported


def spread(function: Callable[[Any], Any], items: list[Any], n_workers: int) -> Any:
    """`parallel_map` on a machine said to have 16 cores."""
    import cpu_bound

    return cpu_bound.parallel_map(function, items, n_workers)


# -- how many processes -----------------------------------------------------------------------------------


def map_in_a_crowd(n_items: int, n_workers: int) -> Any:
    """`parallel_map` on a machine said to have 16 cores, with items that wait for more company than there should be."""
    import cpu_bound

    with _folder() as folder:
        return cpu_bound.parallel_map(wait_for_company, [(folder, n_workers + 1)] * n_items, n_workers)


def wait_for_company(item: tuple[str, int]) -> tuple[int, float, float]:
    """Compute for 20 ms, wait until `crowd` processes have been here or no more come; the pid, the begin and the end."""
    folder, crowd = item
    begin = time.monotonic()
    enough = time.process_time() + 0.02
    while time.process_time() < enough:
        pass
    _note(folder, "here")
    changed, before = time.monotonic(), 0
    while before < crowd and time.monotonic() - changed < QUIET:
        time.sleep(0.005)
        seen = len({pid for pid, _ in _notes(folder)})
        if seen != before:
            before, changed = seen, time.monotonic()
    return os.getpid(), begin, time.monotonic()


# -- other items ------------------------------------------------------------------------------------------


def same(item: object) -> object:
    return item


def large_value(seed: int) -> bytes:
    """Half a MiB of random bytes."""
    return random.Random(seed).randbytes(1 << 19)


def values_that_are_exceptions() -> Any:
    """`parallel_map` of a function that returns exceptions in place of raising them."""
    import cpu_bound

    values = cpu_bound.parallel_map(its_error, [0, 1, 2], 2)
    return [repr(value) for value in values] if isinstance(values, list) else values


def its_error(item: int) -> Exception:
    return ValueError(f"returned for {item}")
