"""ProcessPoolExecutor; in draw a barrier makes every process take exactly one row; the loader is a subclass that counts epochs."""

from __future__ import annotations

import multiprocessing
import random
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info

_barrier = None


def _keep(barrier) -> None:
    global _barrier
    _barrier = barrier


def _row(sequence: np.random.SeedSequence, n_samples: int) -> np.ndarray:
    _barrier.wait()
    return np.random.Generator(np.random.SFC64(sequence)).standard_normal(n_samples)


def _kill(before: set) -> set:
    new = set(multiprocessing.active_children()) - before
    for process in new:
        process.kill()
    return new


def _reap(before: set) -> None:
    for process in _kill(before):
        process.join()


def draw(seed: int, n_workers: int, n_samples: int, start_method: str = "spawn") -> np.ndarray:
    result = np.empty((n_workers, n_samples), dtype=np.float64)
    if n_workers == 0:
        return result
    context = multiprocessing.get_context(start_method)
    barrier = context.Barrier(n_workers)
    before = set(multiprocessing.active_children())
    try:
        with ProcessPoolExecutor(n_workers, mp_context=context, initializer=_keep, initargs=(barrier,)) as pool:
            try:
                futures = [
                    pool.submit(_row, np.random.SeedSequence(seed, spawn_key=(rank,)), n_samples)
                    for rank in range(n_workers)
                ]
            except BaseException:
                _kill(before)  # those that wait at the barrier would wait for ever
                raise
            for row, future in zip(result, futures):
                row[:] = future.result()
    except BaseException:
        _reap(before)
        raise
    return result


def _item(seed: int, i: int) -> float:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1, i))).standard_normal()


def _items(job: tuple[int, int, int]) -> list[float]:
    seed, first, last = job
    return [_item(seed, i) for i in range(first, last)]


def noise(seed: int, n_items: int, n_workers: int) -> np.ndarray:
    if n_items == 0:
        return np.empty(0, dtype=np.float64)
    size = max(1, n_items // (4 * n_workers))
    jobs = [(seed, first, min(first + size, n_items)) for first in range(0, n_items, size)]
    before = set(multiprocessing.active_children())
    try:
        with ProcessPoolExecutor(n_workers, mp_context=multiprocessing.get_context("fork")) as pool:
            return np.array([x for part in pool.map(_items, jobs) for x in part], dtype=np.float64)
    except BaseException:
        _reap(before)
        raise


def seed_worker(worker_id: int) -> None:
    info = get_worker_info()
    sequence = np.random.SeedSequence(info.seed - worker_id, spawn_key=(worker_id,))
    words = [int(w) for w in sequence.generate_state(2, np.uint64)]
    random.seed(words[0])
    torch.manual_seed(words[1] >> 1)
    info.dataset.rng = np.random.default_rng(sequence.spawn(1)[0])


class EpochLoader(DataLoader):
    """Its generator starts every epoch from (seed, epoch)."""

    root_seed: int = 0
    epoch: int = 0

    def __iter__(self):
        state = np.random.SeedSequence(self.root_seed, spawn_key=(self.epoch,)).generate_state(1, np.uint64)
        self.generator.manual_seed(int(state[0]) >> 1)
        self.epoch += 1
        return super().__iter__()


def make_loader(dataset: Dataset, batch_size: int, seed: int, num_workers: int) -> DataLoader:
    loader = EpochLoader(
        dataset,
        batch_size=batch_size,
        shuffle=True,
        num_workers=num_workers,
        worker_init_fn=seed_worker,
        generator=torch.Generator(),
    )
    loader.root_seed = seed
    return loader
