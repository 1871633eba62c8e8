"""A decorator makes a function fill shared RawArray memory from its own process; inverse normal distribution of hashed uniforms."""

import functools
import multiprocessing as mp
import random
from statistics import NormalDist

import numpy as np
import torch
from torch.utils.data import DataLoader, get_worker_info


class Task:
    """Calls the module's function of that name on a view of the shared memory; picklable, whatever decorates the name."""

    __slots__ = ("name", "args")

    def __init__(self, name, *args):
        self.name, self.args = name, args

    def __call__(self, raw):
        globals()[self.name].__wrapped__(np.frombuffer(raw, dtype=np.float64), *self.args)


def filled_by_processes(function):
    @functools.wraps(function)
    def run(size, jobs, start_method):
        ctx = mp.get_context(start_method)
        raw = ctx.RawArray("d", max(size, 1))
        crew = []
        try:
            for job in jobs:
                crew.append(ctx.Process(target=Task(function.__name__, *job), args=(raw,)))
                crew[-1].start()
            for worker in crew:
                worker.join()
            if any(worker.exitcode for worker in crew):
                raise RuntimeError(f"{function.__name__} failed in a worker")
        finally:
            for worker in crew:
                if worker.pid is not None:
                    worker.kill()
                    worker.join()
        return np.frombuffer(raw, dtype=np.float64)[:size].copy()

    return run


@filled_by_processes
def rows(out, seed, rank, n_samples):
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(rank,)))
    out[rank * n_samples : (rank + 1) * n_samples] = rng.standard_normal(n_samples)


@filled_by_processes
def items(out, seed, first, step, n_items):
    quantile = NormalDist().inv_cdf
    for i in range(first, n_items, step):
        word = np.random.SeedSequence(entropy=seed, spawn_key=(i,)).generate_state(1, np.uint64)[0]
        out[i] = quantile(((int(word) >> 12) + 0.5) / 2**52)


def draw(seed, n_workers, n_samples, start_method="spawn"):
    jobs = [(seed, rank, n_samples) for rank in range(n_workers)]
    return rows(n_workers * n_samples, jobs, start_method).reshape(n_workers, n_samples)


def noise(seed, n_items, n_workers):
    if n_items == 0:
        return np.empty(0)
    return items(n_items, [(seed, w, n_workers, n_items) for w in range(n_workers)], "fork")


def seed_worker(worker_id):
    # torch has been seeded by the loader here (epoch's base seed + worker_id): let it seed the others
    entropy = torch.randint(0, 2**32, (8,), dtype=torch.int64).tolist()
    random.seed(repr(entropy))
    get_worker_info().dataset.rng = np.random.default_rng(entropy)


def make_loader(dataset, batch_size, seed, num_workers):
    return DataLoader(
        dataset,
        batch_size,
        True,
        num_workers=num_workers,
        worker_init_fn=seed_worker,
        generator=torch.Generator().manual_seed(seed),
    )
