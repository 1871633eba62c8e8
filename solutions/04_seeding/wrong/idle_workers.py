# fails: test_rows_are_drawn_in_worker_processes
# mistake: the parent draws, beside processes that do nothing
import multiprocessing
import time

import numpy as np
import torch
from torch.utils.data import DataLoader


def draw(seed, n_workers, n_samples, start_method="spawn"):
    context = multiprocessing.get_context(start_method)
    workers = [context.Process(target=time.sleep, args=(0,)) for _ in range(n_workers)]
    for worker in workers:
        worker.start()
    rng = np.random.RandomState([seed, 1])
    array = rng.normal(size=(n_workers, n_samples))
    for worker in workers:
        worker.join()
    return array


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
