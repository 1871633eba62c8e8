# fails: test_who_starts_or_ends_first_changes_nothing
# mistake: a stream for each process of a pool: which of them draws row r, and how many rows, is chance
import multiprocessing

import numpy as np
import torch
from torch.utils.data import DataLoader


def draw(seed, n_workers, n_samples, start_method="spawn"):
    context = multiprocessing.get_context(start_method)
    started = context.Value("i", 0)
    with context.Pool(n_workers, initialize, (started, seed)) as pool:
        return np.array(pool.map(draw_row, [n_samples] * n_workers, chunksize=1))


def initialize(started, seed):
    global rng
    with started.get_lock():
        rng = np.random.default_rng([seed, started.value])
        started.value += 1


def draw_row(n_samples):
    return rng.standard_normal(n_samples)


def noise(seed, n_items, n_workers):
    with multiprocessing.Pool(n_workers) as pool:
        return np.array(pool.starmap(draw_item, [(seed, i) for i in range(n_items)]))


def draw_item(seed, i):
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(i,))).standard_normal()


def seed_worker(worker_id):
    info = torch.utils.data.get_worker_info()
    info.dataset.rng = np.random.default_rng(info.seed)


def make_loader(dataset, batch_size, seed, num_workers):
    generator = torch.Generator()
    generator.manual_seed(seed)
    return DataLoader(
        dataset,
        batch_size=batch_size,
        shuffle=True,
        num_workers=num_workers,
        worker_init_fn=seed_worker,
        generator=generator,
    )
