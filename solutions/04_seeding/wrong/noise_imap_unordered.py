# fails: test_noise_depends_on_seed_and_item_alone
# mistake: a stream for each item, but the items come as they are ready
import multiprocessing

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
        return np.array(list(pool.imap_unordered(draw_item, [(seed, i) for i in range(n_items)])))


def draw_item(place):
    seed, i = place
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
