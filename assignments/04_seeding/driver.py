"""Runs beside a submission of exercise 04: other days, late workers, a watch on who draws, a dataset."""

import builtins
import contextlib
import datetime
import functools
import multiprocessing
import multiprocessing.queues
import multiprocessing.spawn
import os
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info

#: What the machine says it has, wherever the checks run: a pool of as many processes as cores shows.
CORES = 9

#: Between one worker's start (or answer) and the next, in seconds.
STEP = 0.15
#: For so long a worker waits for those that are to go before it.
PATIENCE = 1.0


# -- the plain calls --------------------------------------------------------------------------------------


def draws(calls: list[tuple[int, int, int]]) -> list[Any]:
    """`draw(seed, n_workers, n_samples)` for each call, forked: one process makes them all."""
    # Should a submission use the fork server, then it imports torch once and not in every worker.
    multiprocessing.set_forkserver_preload(["torch"])
    import seeding

    return [seeding.draw(*call, start_method="fork") for call in calls]


def noises(calls: list[tuple[int, int, int]], method: str = "fork") -> list[Any]:
    """`noise(seed, n_items, n_workers)` for each call, whatever start method is this Python's default."""
    multiprocessing.set_start_method(method, force=True)
    import seeding

    return [seeding.noise(*call) for call in calls]


# -- the same call on another day -------------------------------------------------------------------------


def draw_another_day(seed: int, n_workers: int, n_samples: int) -> Any:
    """`draw`, forked, where all that a seed must not depend on has changed."""
    with _another_day():
        import seeding

        seeding.draw(seed + 1, 2, 3, start_method="fork")
        return seeding.draw(seed, n_workers, n_samples, start_method="fork")


def noise_another_day(seed: int, n_items: int, n_workers: int) -> Any:
    """`noise` where all that a seed must not depend on has changed."""
    multiprocessing.set_start_method("fork", force=True)
    with _another_day():
        import seeding

        seeding.noise(seed + 1, 3, 2)
        return seeding.noise(seed, n_items, n_workers)


@contextlib.contextmanager
def _another_day() -> Iterator[None]:
    """Other process numbers, another date, another salt in the hashes of texts, other global generators.

    Every call has a pid namespace of its own, so that without this a seed made of process numbers would look
    reproducible; and two calls may well fall into the same second.
    """
    _use_up_process_numbers(37)
    np.random.seed(4711)
    random.seed(4711)
    torch.manual_seed(4711)
    plain_time, plain_time_ns, plain_hash, plain_datetime = time.time, time.time_ns, hash, datetime.datetime
    later = datetime.timedelta(days=1, hours=1, minutes=1, seconds=1)

    def another_hash(value: object) -> int:
        return plain_hash((plain_hash(value), "another salt")) if _has_text(value) else plain_hash(value)

    class AnotherDatetime(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:
            return plain_datetime.now(tz) + later

        @classmethod
        def today(cls) -> datetime.datetime:
            return cls.now()

        @classmethod
        def utcnow(cls) -> datetime.datetime:
            return cls.now(datetime.UTC).replace(tzinfo=None)

    time.time = lambda: plain_time() + later.total_seconds()
    time.time_ns = lambda: plain_time_ns() + int(later.total_seconds()) * 10**9
    builtins.hash = another_hash
    datetime.datetime = AnotherDatetime  # type: ignore[misc]
    try:
        yield
    finally:
        time.time, time.time_ns, builtins.hash = plain_time, plain_time_ns, plain_hash
        datetime.datetime = plain_datetime  # type: ignore[misc]


def _use_up_process_numbers(count: int) -> None:
    """Threads take their numbers from where processes take theirs, and cost next to nothing."""
    for _ in range(count):
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()


def _has_text(value: object) -> bool:
    """Whether Python salts the hash of this value anew in every process."""
    if isinstance(value, tuple | frozenset):
        return any(map(_has_text, value))
    return isinstance(value, str | bytes)


# -- late workers -----------------------------------------------------------------------------------------


def _wait_until(condition: Callable[[], object]) -> None:
    """Wait for other workers: not for ever, since not everybody has as many."""
    deadline = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)


def draw_with_late_starts(seed: int, n_workers: int, n_samples: int) -> Any:
    """`draw`, forked, where the worker that was started first begins last.

    Those that look for work (in a pool) do so in the opposite order, and then in the opposite of that.
    """
    with _late_forks(n_workers), _late_calls("get recv", n_workers, rounds=2, step=2 * STEP):
        import seeding

        return seeding.draw(seed, n_workers, n_samples, start_method="fork")


def draw_with_late_spawns(seed: int, n_workers: int, n_samples: int) -> Any:
    """`draw`, spawned, where the worker that was started first begins last."""
    with _late_spawns(n_workers):
        import seeding

        return seeding.draw(seed, n_workers, n_samples, start_method="spawn")


def draw_with_late_answers(seed: int, n_workers: int, n_samples: int) -> Any:
    """`draw`, forked, where the worker that is ready first answers last."""
    with _late_answers(n_workers):
        import seeding

        return seeding.draw(seed, n_workers, n_samples, start_method="fork")


def noise_with_late_answers(seed: int, n_items: int, n_workers: int) -> Any:
    """`noise` where the worker that is ready first answers last."""
    multiprocessing.set_start_method("fork", force=True)
    with _late_answers(n_workers):
        import seeding

        return seeding.noise(seed, n_items, n_workers)


@contextlib.contextmanager
def _at_forks(n_workers: int, wait: Callable[[int], None]) -> Iterator[None]:
    """The first n_workers children call `wait` with their number, from 1 on, before they do anything else."""
    caller = os.getpid()
    forks = 0
    active = True

    def count() -> None:
        nonlocal forks
        forks += 1

    def begin() -> None:
        if active and os.getppid() == caller and forks <= n_workers:
            wait(forks)

    os.register_at_fork(before=count, after_in_child=begin)
    try:
        yield
    finally:
        active = False


@contextlib.contextmanager
def _late_forks(n_workers: int) -> Iterator[None]:
    """Of n_workers children the last to be forked begins first, and each of the others a step after the next."""
    begun = multiprocessing.get_context("fork").RawArray("b", n_workers + 2)

    def wait(number: int) -> None:
        if number < n_workers:
            _wait_until(lambda: begun[number + 1])
            time.sleep(STEP)
        begun[number] = 1

    with _at_forks(n_workers, wait):
        yield


@contextlib.contextmanager
def _late_spawns(n_workers: int) -> Iterator[None]:
    """The same for spawned children: what they take for the main module sleeps when it is imported."""
    plain = multiprocessing.spawn.get_preparation_data
    spawns = 0

    def with_a_sleep(name: str) -> dict[str, Any]:
        nonlocal spawns
        spawns += 1
        script = Path(folder, f"late_{spawns}.py")
        script.write_text(f"import time\ntime.sleep({STEP * max(0, n_workers - spawns)})\n")
        data: dict[str, Any] = plain(name)
        data.pop("init_main_from_name", None)
        return data | {"init_main_from_path": str(script)}

    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        multiprocessing.spawn.get_preparation_data = with_a_sleep
        try:
            yield
        finally:
            multiprocessing.spawn.get_preparation_data = plain


@contextlib.contextmanager
def _late_answers(n_workers: int) -> Iterator[None]:
    """Forked children are ready in the order in which they were started, and answer in the opposite one."""
    with _late_calls("put send", n_workers, rounds=1, step=STEP) as ready:
        with _at_forks(n_workers, lambda number: _wait_until(lambda: ready() >= number - 1)):
            yield


@contextlib.contextmanager
def _late_calls(names: str, n_workers: int, rounds: int, step: float) -> Iterator[Callable[[], int]]:
    """In each of its first calls (`rounds`) of such methods of queues and pipes a child waits until all have come.

    Then the last of n_workers children to come goes first, and each of the others a step after that. Gives what tells
    how many have come for the first time.
    """
    caller = os.getpid()
    context = multiprocessing.get_context("fork")
    arrived, gone = context.Array("i", rounds), context.RawArray("i", rounds)
    own = 0

    def late(plain: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(plain)
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal own
            if os.getpid() == caller or own >= rounds:
                return plain(*args, **kwargs)
            with arrived.get_lock():
                turn, before = own, arrived[own]
                arrived[own] += 1
            own += 1
            if before < n_workers - 1:
                _wait_until(lambda: arrived[turn] >= n_workers and gone[turn] >= n_workers - 1 - before)
                time.sleep(step)
            if plain.__name__ not in ("put", "send"):
                gone[turn] += 1  # what it gets may never come
                return plain(*args, **kwargs)
            try:
                return plain(*args, **kwargs)
            finally:
                gone[turn] += 1

        return call

    # All of these wait before they take a queue's own lock: behind it nobody could overtake.
    owners: list[Any] = [Connection, multiprocessing.queues.Queue, multiprocessing.queues.SimpleQueue]
    places = [(owner, name) for owner in owners for name in names.split() if hasattr(owner, name)]
    plain_ones = [(owner, name, getattr(owner, name)) for owner, name in places]
    for owner, name, plain in plain_ones:
        setattr(owner, name, late(plain))
    try:
        yield lambda: arrived[0]
    finally:
        for owner, name, plain in plain_ones:
            setattr(owner, name, plain)


# -- who draws --------------------------------------------------------------------------------------------


def draw_watched(seed: int, n_workers: int, n_samples: int) -> tuple[Any, Any]:
    """`draw`, forked, and all normal numbers that the calling process itself drew meanwhile."""
    _linger()
    _claim_many_cores()
    with _watch() as drawn:
        import seeding

        array = seeding.draw(seed, n_workers, n_samples, start_method="fork")
    return array, np.concatenate([np.zeros(0), *drawn])


def noise_on_many_cores(seed: int, n_items: int, n_workers: int) -> Any:
    """`noise` on a machine that says it has many cores."""
    _linger()
    _claim_many_cores()
    multiprocessing.set_start_method("fork", force=True)
    import seeding

    return seeding.noise(seed, n_items, n_workers)


def draw_on_many_cores(seed: int, n_workers: int, n_samples: int) -> Any:
    """`draw`, forked, on a machine that says it has many cores."""
    _linger()
    _claim_many_cores()
    import seeding

    return seeding.draw(seed, n_workers, n_samples, start_method="fork")


def _linger() -> None:
    """Forked children sleep before they begin, so that none is too short-lived to be seen from outside."""
    os.register_at_fork(after_in_child=lambda: time.sleep(0.1))


def _claim_many_cores() -> None:
    for name in ("cpu_count", "process_cpu_count"):
        if hasattr(os, name):
            setattr(os, name, lambda: CORES)
    if hasattr(os, "sched_getaffinity"):
        os.sched_getaffinity = lambda _pid: set(range(CORES))
    multiprocessing.cpu_count = lambda: CORES


class _Like(type):
    """A class that takes instances of the class it watches for its own."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, cls.__mro__[1])


@contextlib.contextmanager
def _watch() -> Iterator[list[np.ndarray]]:
    """Note the normal numbers that this process, not its children, gets from numpy, random and torch."""
    caller = os.getpid()
    drawn: list[np.ndarray] = []

    def noting(plain: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(plain)
        def draw(*args: Any, **kwargs: Any) -> Any:
            numbers = plain(*args, **kwargs)
            if os.getpid() == caller:
                # A copy: the array may be written over.
                drawn.append(np.array(numbers, dtype=np.float64).ravel())
            return numbers

        return draw

    def watched(module: Any, name: str) -> Any:
        plain = getattr(module, name)
        names = ("normal", "standard_normal", "randn", "gauss", "normalvariate")
        members = {n: noting(getattr(plain, n)) for n in names if hasattr(plain, n)}
        return _Like(name, (plain,), {"__module__": module.__name__} | members)

    generator = watched(np.random, "Generator")
    plain_default_rng = np.random.default_rng

    def default_rng(seed: Any = None) -> Any:
        made = plain_default_rng(seed)
        return made if made is seed else generator(made.bit_generator)

    replaced: list[tuple[Any, str, Any]] = [
        (np.random, "Generator", generator),
        (np.random, "default_rng", default_rng),
        (np.random, "RandomState", watched(np.random, "RandomState")),
        (random, "Random", watched(random, "Random")),
        *((np.random, n, noting(getattr(np.random, n))) for n in ("normal", "standard_normal", "randn")),
        *((random, n, noting(getattr(random, n))) for n in ("gauss", "normalvariate")),
        *((torch, n, noting(getattr(torch, n))) for n in ("randn", "normal")),
    ]
    plain_ones = [getattr(owner, name) for owner, name, _ in replaced]
    for owner, name, new in replaced:
        setattr(owner, name, new)
    try:
        yield drawn
    finally:
        for (owner, name, _), plain in zip(replaced, plain_ones, strict=True):
            setattr(owner, name, plain)


# -- the data loader --------------------------------------------------------------------------------------


class Noisy(Dataset[np.ndarray]):
    """Items `[index, from rng, from random, from torch, worker]`; the items of one worker may take longer."""

    def __init__(self, n_items: int, slow_worker: int | None = None) -> None:
        self.rng = np.random.default_rng(2024)
        self.n_items = n_items
        self.slow_worker = slow_worker

    def __len__(self) -> int:
        return self.n_items

    def __getitem__(self, index: int) -> np.ndarray:
        worker = get_worker_info()
        name = -1 if worker is None else worker.id
        if name == self.slow_worker:
            time.sleep(0.03)
        from_torch = torch.rand((), dtype=torch.float64).item()
        return np.array([index, self.rng.random(), random.random(), from_torch, name])


#: Per epoch the batches, per batch the items as the loader gave them.
Epochs = list[list[Any]]


def epochs(
    seed: int,
    n_items: int,
    batch_size: int,
    num_workers: int,
    n_epochs: int = 1,
    *,
    slow_worker: int | None = None,
    method: str = "fork",
    another_day: bool = False,
    linger: bool = False,
) -> Epochs:
    """What a loader for this seed gives, epoch after epoch."""
    if linger:
        _linger()
    with _one_thread(method), _another_day() if another_day else contextlib.nullcontext():
        import seeding

        loader = seeding.make_loader(Noisy(n_items, slow_worker), batch_size, seed, num_workers)
        _demand_a_loader(loader)
        if another_day:
            # As a program would that makes its model between its loader and its first epoch.
            torch.manual_seed(1234)
        return [_epoch(loader) for _ in range(n_epochs)]


def epochs_side_by_side(seed: int, n_items: int, batch_size: int, num_workers: int) -> Epochs:
    """One epoch of each of two loaders for one seed, both made before either is used."""
    with _one_thread("fork"):
        import seeding

        loaders = [seeding.make_loader(Noisy(n_items), batch_size, seed, num_workers) for _ in range(2)]
        for loader in loaders:
            _demand_a_loader(loader)
        return [_epoch(loader) for loader in loaders]


def workers_set_up(seed: int, num_workers: int) -> list[int]:
    """The ids of the workers in which the loader has the module's `seed_worker` called."""
    with _one_thread("fork"):
        import seeding

        readable, writable = os.pipe()
        plain = seeding.seed_worker

        @functools.wraps(plain)
        def noting(worker_id: int) -> None:
            os.write(writable, bytes([worker_id]))
            plain(worker_id)

        seeding.seed_worker = noting
        loader = seeding.make_loader(Noisy(4 * num_workers), 2, seed, num_workers)
        _demand_a_loader(loader)
        if loader.worker_init_fn in (plain, noting):  # torch does the rest
            return list(range(num_workers))
        # It may be called by another function: only running them tells.
        _epoch(loader)
        os.close(writable)
        # A worker that is slow to end may hold the pipe open: what was written is there, its end need not be.
        os.set_blocking(readable, False)
        with contextlib.suppress(BlockingIOError):
            return sorted(os.read(readable, 100))
        return []


@contextlib.contextmanager
def _one_thread(method: str) -> Iterator[None]:
    """Whatever start method is the default here; torch never starts threads of its own."""
    torch.set_num_threads(1)
    multiprocessing.set_start_method(method, force=True)
    yield


def _demand_a_loader(loader: object) -> None:
    if not isinstance(loader, DataLoader):
        raise TypeError(f"make_loader returned {type(loader).__name__}, not a torch.utils.data.DataLoader")


def _epoch(loader: Any) -> list[Any]:
    return [batch.tolist() for batch in loader]
