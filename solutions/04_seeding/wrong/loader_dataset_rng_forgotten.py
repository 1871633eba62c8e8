# fails: test_no_two_workers_draw_the_same
# mistake: the usual recipe seeds numpy's global generator, not the dataset's own
import multiprocessing
import random

import numpy as np
import torch
from torch.utils.data import DataLoader


def draw(seed, n_workers, n_samples, start_method="spawn"):
    context = multiprocessing.get_context(start_method)
    streams = np.random.SeedSequence(seed).spawn(n_workers)
    with context.Pool(n_workers) as pool:
        return np.array(pool.starmap(draw_row, [(stream, n_samples) for stream in streams], chunksize=1))


def draw_row(stream, n_samples):
    return np.random.default_rng(stream).standard_normal(n_samples)


def noise(seed, n_items, n_workers):
    with multiprocessing.Pool(n_workers) as pool:
        return np.array(pool.starmap(draw_item, [(seed, i) for i in range(n_items)]))


def draw_item(seed, i):
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(i,))).standard_normal()


def seed_worker(worker_id):
    worker_seed = torch.initial_seed() % 2**32
    np.random.seed(worker_seed)
    random.seed(worker_seed)


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
