# fails: test_draw_is_the_same_under_fork_and_spawn
# mistake: a local function cannot be sent to a spawned worker
import multiprocessing

import numpy as np
import torch
from torch.utils.data import DataLoader


def draw(seed, n_workers, n_samples, start_method="spawn"):
    context = multiprocessing.get_context(start_method)
    queue = context.Queue()

    def draw_row(rank, stream):
        queue.put((rank, np.random.default_rng(stream).standard_normal(n_samples)))

    workers = [
        context.Process(target=draw_row, args=(rank, stream))
        for rank, stream in enumerate(np.random.SeedSequence(seed).spawn(n_workers))
    ]
    for worker in workers:
        worker.start()
    rows = dict(queue.get() for _ in workers)
    for worker in workers:
        worker.join()
    return np.array([rows[rank] for rank in range(n_workers)])


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
