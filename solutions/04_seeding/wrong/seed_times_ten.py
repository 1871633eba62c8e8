# fails: test_streams_stay_apart_for_other_seeds_and_sizes
# mistake: 10 * seed + rank: from eleven workers on two seeds share rows
import multiprocessing

import numpy as np
import torch
from torch.utils.data import DataLoader


def draw(seed, n_workers, n_samples, start_method="spawn"):
    context = multiprocessing.get_context(start_method)
    workers = []
    for rank in range(n_workers):
        receiver, sender = context.Pipe(duplex=False)
        worker = context.Process(target=draw_row, args=(sender, 10 * seed + rank, n_samples))
        worker.start()
        workers.append((worker, receiver))
    rows = [receiver.recv() for _, receiver in workers]
    for worker, _ in workers:
        worker.join()
    return np.array(rows)


def draw_row(sender, seed, n_samples):
    rng = np.random.default_rng(seed)
    sender.send(rng.standard_normal(n_samples))


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
