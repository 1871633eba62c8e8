"""asyncio drives a ProcessPoolExecutor; rows meet at a Barrier; items are a counter hash (splitmix64) turned normal by Box-Muller."""

import asyncio
import contextlib
import multiprocessing as mp
import random
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import torch
from torch.utils.data import DataLoader, get_worker_info

state = {}


def prepare(barrier):
    state["barrier"] = barrier


@contextlib.contextmanager
def executor(n, start_method, barrier=None):
    others = set(mp.active_children())
    try:
        with ProcessPoolExecutor(n, mp.get_context(start_method), initializer=prepare, initargs=(barrier,)) as pool:
            try:
                yield pool
            except BaseException:
                for child in set(mp.active_children()) - others:
                    child.kill()  # it may be waiting at the barrier for one that will never come
                raise
    except BaseException:
        for child in set(mp.active_children()) - others:
            child.kill()
            child.join()
        raise


def row(seed, rank, n_samples):
    state["barrier"].wait()  # all n processes have a row each before one begins
    key = np.random.SeedSequence(seed).generate_state(2, np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, rank])).standard_normal(n_samples)


async def gather(pool, function, jobs):
    loop = asyncio.get_running_loop()
    return await asyncio.gather(*(loop.run_in_executor(pool, function, *job) for job in jobs))


def draw(seed, n_workers, n_samples, start_method="spawn"):
    if n_workers == 0:
        return np.empty((0, n_samples))
    barrier = mp.get_context(start_method).Barrier(n_workers)
    with executor(n_workers, start_method, barrier) as pool:
        return np.stack(asyncio.run(gather(pool, row, [(seed, r, n_samples) for r in range(n_workers)])))


def mix(x):
    with np.errstate(over="ignore"):
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def items(seed, first, last):
    keys = np.random.SeedSequence([seed, 4]).generate_state(4, np.uint64)
    i = np.arange(first, last, dtype=np.uint64)
    golden = np.uint64(0x9E3779B97F4A7C15)
    a = mix(mix(i * golden + keys[0]) ^ keys[1])
    b = mix(mix(i * golden + keys[2]) ^ keys[3])
    u = ((a >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    v = (b >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return np.sqrt(-2.0 * np.log(u)) * np.cos(2.0 * np.pi * v)


def noise(seed, n_items, n_workers):
    if n_items == 0:
        return np.empty(0)
    edges = np.linspace(0, n_items, n_workers + 1).astype(int).tolist()
    with executor(n_workers, "fork") as pool:
        return np.concatenate(asyncio.run(gather(pool, items, [(seed, a, b) for a, b in zip(edges, edges[1:])])))


def seed_worker(worker_id):
    info = get_worker_info()
    root = np.random.SeedSequence(info.seed)
    random.seed(root.generate_state(8).tobytes())
    info.dataset.rng = np.random.Generator(np.random.SFC64(root.spawn(1)[0]))


class Order(torch.utils.data.Sampler):
    """A permutation from (seed, epoch)."""

    def __init__(self, n, seed):
        self.n, self.seed, self.epoch = n, seed, 0

    def __iter__(self):
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(self.epoch,)))
        self.epoch += 1
        return iter(rng.permutation(self.n).tolist())

    def __len__(self):
        return self.n


def make_loader(dataset, batch_size, seed, num_workers):
    generator = torch.Generator()
    generator.manual_seed(int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0] >> np.uint64(1)))
    return DataLoader(
        dataset,
        batch_size=batch_size,
        sampler=Order(len(dataset), seed),
        num_workers=num_workers,
        worker_init_fn=seed_worker,
        generator=generator,
    )
