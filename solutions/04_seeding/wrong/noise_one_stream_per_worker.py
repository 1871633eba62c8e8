# fails: test_noise_is_the_same_for_every_number_of_workers
# mistake: each worker has a stream for its part: with other workers the parts are others
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
    sizes = [len(part) for part in np.array_split(range(n_items), n_workers)]
    streams = np.random.SeedSequence(seed).spawn(n_workers)
    with multiprocessing.Pool(n_workers) as pool:
        return np.concatenate(pool.starmap(draw_part, list(zip(streams, sizes))))


def draw_part(stream, size):
    return np.random.default_rng(stream).standard_normal(size)


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
