"""Runs beside a submission of exercise 06: items that cost what they say, answer late or fail."""

import contextlib
import os
import tempfile
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import psutil

Map: TypeAlias = Callable[[Callable[[Any], Any], Sequence[Any], int], list[Any]]

#: How long an item waits for another process that never comes.
PATIENCE = 1.0
#: When no other item has been computed for so long, the others are taken to have done what they can.
QUIET = 0.3


# -- the story: how a population develops -----------------------------------------------------------------


def population(item: tuple[float, float]) -> float:
    """The logistic map x -> 3.7 x (1 - x), from a start to the generation before an end (May 1976, Nature 261).

    How many generations that takes is the cost. It is chaotic: who wants to know has to go through all of them.
    """
    x, end = item
    while (following := 3.7 * x * (1.0 - x)) != end:
        x = following
    return x


def items_of(start: float, begins: Sequence[int], costs: Sequence[int]) -> list[tuple[float, float]]:
    """Items that cost so many generations and begin at these ones of a population. Runs no code of a submission."""
    n_generations = max(begins) + max(costs)
    sizes, size = array("d", [start]), start
    for _ in range(n_generations):
        size = 3.7 * size * (1.0 - size)
        sizes.append(size)
    if sizes.index(size) < n_generations:  # what has come twice comes again and again, and ends sooner
        return items_of(start / 2, begins, costs)
    return [(sizes[begin], sizes[begin + cost]) for begin, cost in zip(begins, costs, strict=True)]


def expected(function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    """What the values should be; runs no code of a submission."""
    return [function(item) for item in items]


def same(item: object) -> object:
    return item


# -- the machine ------------------------------------------------------------------------------------------


def _say_16_cores() -> None:
    """Let no worker be left out for want of cores: the time for which one waits for a core is taken out anyhow."""
    for name in ("cpu_count", "process_cpu_count"):
        if hasattr(os, name):
            setattr(os, name, lambda: 16)
    if hasattr(os, "sched_getaffinity"):
        os.sched_getaffinity = lambda _: set(range(16))
    psutil.cpu_count = lambda logical=True: 16


_say_16_cores()  # now, before the submission is imported


def map_by_the_clock(
    adaptive_map: Map,
    function: Callable[[Any], Any],
    items: Sequence[Any],
    max_workers: int,
    own_time: bool,
    before: Sequence[Any] = (),
) -> Any:
    """`adaptive_map`, by the same clocks as ever, or by those that stand still while others have the core.

    The items in `before` are those of an earlier call, which says nothing of this one.

    On a busy machine small work takes long. By its own time it does not, so that nobody is misled into starting
    processes. The clocks are replaced in either case: they do not tell which it is.
    """
    import overhead

    for clock in ("time", "monotonic", "perf_counter"):
        for suffix in ("", "_ns"):
            real = getattr(time, clock + suffix)
            # That of the thread is finer than that of the process, which is booked by ticks.
            shown = getattr(time, f"thread_time{suffix}") if own_time else real
            for module in (time, overhead):
                for alias in [one for one, value in vars(module).items() if value is real]:
                    setattr(module, alias, lambda shown=shown: shown())
    if before:
        adaptive_map(function, before, max_workers)
    return adaptive_map(function, items, max_workers)


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


def _compute(milliseconds: float) -> None:
    """Use so much CPU time."""
    enough = time.thread_time() + milliseconds / 1000
    while time.thread_time() < enough:
        pass


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


def map_with_one_late(n_items: int, late: int, max_workers: int) -> Any:
    """`adaptive_map` of items of 8 ms, of which one (none for -1) is answered after all that other processes can do."""
    import overhead

    with _folder() as folder:
        items = [(folder, index, index == late, "") for index in range(n_items)]
        return overhead.adaptive_map(square_or_fail, items, max_workers)


class ExtinctError(Exception):
    """A population that died out; can be pickled."""

    def __init__(self, index: int, generation: int) -> None:
        super().__init__(index, generation)
        self.index, self.generation = index, generation

    def __str__(self) -> str:
        return f"population {self.index} died out in generation {self.generation}"


def map_with_failures(n_items: int, failing: dict[int, str], late: int, max_workers: int) -> Any:
    """`adaptive_map` where some items fail, of which one only after all that other processes can do."""
    import overhead

    with _folder() as folder:
        items = [(folder, index, index == late, failing.get(index, "")) for index in range(n_items)]
        return overhead.adaptive_map(square_or_fail, items, max_workers)


def square_or_fail(item: tuple[str, int, bool, str]) -> int:
    folder, index, late, how = item
    _compute(8)
    if late:
        _let_others_go_first(folder)
    _note(folder, index)
    if how == "ValueError":
        raise ValueError(f"item {index} is bad")
    if how == "KeyError":
        raise KeyError(f"item {index}")
    if how == "ExtinctError":
        raise ExtinctError(index, 7)
    return index * index


def fails_at_once(item: int) -> int:
    """A cheap item; 5 and 7 fail."""
    if item in (5, 7):
        raise ValueError(f"item {item} is bad")
    return item * item


def map_twice(n_items: int, milliseconds: float, max_workers: int) -> dict[str, Any]:
    """`adaptive_map` twice on the same items: both results, and how often each item was computed."""
    import overhead

    with _folder() as folder:
        items = [(folder, index, milliseconds) for index in range(n_items)]
        results = [overhead.adaptive_map(which_call, items, max_workers)]
        Path(folder, "second").touch()
        results.append(overhead.adaptive_map(which_call, items, max_workers))
        calls = [what for _, what in _notes(folder)]
    counts = [[calls.count(f"{which} {index}") for index in range(n_items)] for which in ("first", "second")]
    return {"results": results, "calls": counts}


def which_call(item: tuple[str, int, float]) -> str:
    folder, index, milliseconds = item
    _compute(milliseconds)
    which = "second" if Path(folder, "second").exists() else "first"
    _note(folder, f"{which} {index}")
    return f"{which} {index}"


# -- how many processes -----------------------------------------------------------------------------------


def map_in_a_crowd(n_items: int, max_workers: int) -> Any:
    """`adaptive_map` on a machine said to have 16 cores, with items that wait for more company than there should be."""
    import overhead

    with _folder() as folder:
        return overhead.adaptive_map(wait_for_company, [(folder, max_workers + 1)] * n_items, max_workers)


def wait_for_company(item: tuple[str, int]) -> tuple[int, float, float]:
    """Compute for 50 ms, wait until `crowd` processes have been here or no more come; the pid, the begin and the end."""
    folder, crowd = item
    begin = time.monotonic()
    _compute(50)
    _note(folder, "here")
    changed, before = time.monotonic(), 0
    while before < crowd and time.monotonic() - changed < QUIET:
        time.sleep(0.005)
        seen = len({pid for pid, _ in _notes(folder)})
        if seen != before:
            before, changed = seen, time.monotonic()
    return os.getpid(), begin, time.monotonic()
