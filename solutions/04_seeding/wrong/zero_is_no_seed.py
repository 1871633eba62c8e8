# fails: test_draw_is_the_same_run_after_run
# mistake: `seed or None`: for seed 0 fresh entropy is taken
import multiprocessing

import numpy as np


def draw(seed, n_workers, n_samples, start_method="spawn"):
    context = multiprocessing.get_context(start_method)
    workers = []
    try:
        for stream in np.random.SeedSequence(seed or None).spawn(n_workers):
            ours, theirs = context.Pipe(duplex=False)
            with theirs:
                worker = context.Process(target=_draw_row, args=(theirs, stream, n_samples))
                worker.start()
            workers.append((worker, ours))
        return np.stack([connection.recv() for _, connection in workers])
    finally:
        for worker, connection in workers:
            connection.close()
            worker.join()


def _draw_row(connection, stream, n_samples):
    connection.send(np.random.default_rng(stream).standard_normal(n_samples))


def noise(seed, n_items, n_workers):
    shares = [(seed, items) for items in np.array_split(np.arange(n_items), n_workers)]
    with multiprocessing.Pool(n_workers) as pool:
        return np.concatenate(pool.starmap(_draw_items, shares, chunksize=1))


def _draw_items(seed, items):
    streams = (np.random.SeedSequence(seed, spawn_key=(int(item),)) for item in items)
    return np.array([np.random.default_rng(stream).standard_normal() for stream in streams], dtype=np.float64)


def seed_worker(worker_id):
    import torch

    worker = torch.utils.data.get_worker_info()
    base = worker.seed - worker_id
    worker.dataset.rng = np.random.default_rng([base, worker_id])


def make_loader(dataset, batch_size, seed, num_workers):
    import torch

    return torch.utils.data.DataLoader(
        dataset,
        batch_size=batch_size,
        shuffle=True,
        num_workers=num_workers,
        worker_init_fn=seed_worker,
        generator=torch.Generator().manual_seed(seed),
    )
