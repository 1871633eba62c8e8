# fails: test_who_starts_or_ends_first_changes_nothing
# mistake: a pool's workers take streams from a queue when they start, whatever row they draw then
import multiprocessing

import numpy as np
import torch
from torch.utils.data import DataLoader


def draw(seed, n_workers, n_samples, start_method="spawn"):
    context = multiprocessing.get_context(start_method)
    streams = context.SimpleQueue()
    for stream in np.random.SeedSequence(seed).spawn(n_workers):
        streams.put(stream)
    barrier = context.Barrier(n_workers)
    with context.Pool(n_workers, initializer, (streams, barrier)) as pool:
        return np.array(pool.map(draw_row, [n_samples] * n_workers, chunksize=1))


def initializer(streams, barrier):
    global rng, together
    rng = np.random.default_rng(streams.get())
    together = barrier


def draw_row(n_samples):
    together.wait()  # one row each
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
