"""Exercise 04, seeding: give every worker random numbers of its own, and the same ones on every run.

`import torch` costs a freshly spawned process seconds. Inside the functions that need it, it costs the
workers of `draw` and `noise` nothing.
"""

import multiprocessing

import numpy as np


def draw(seed, n_workers, n_samples, start_method="spawn"):
    """Draw standard normal numbers in n_workers processes: an array of shape (n_workers, n_samples), float64.

    Row r is drawn in worker process r. The same seed gives the same array, on every run and under both start
    methods; another seed gives another array. The rows are independent streams: no row, nor a shifted part of
    one, appears in another, neither for one seed nor for neighbouring seeds.

    No process is left when draw returns or raises.

    `start_method` is "spawn" or "fork".
    """
    ### BEGIN SOLUTION
    context = multiprocessing.get_context(start_method)
    workers = []
    try:
        # The streams are dealt out by rank before any worker runs: who starts or ends first changes nothing.
        for stream in np.random.SeedSequence(seed).spawn(n_workers):
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
    """Runs in a worker: one row from a stream of its own."""
    connection.send(np.random.default_rng(stream).standard_normal(n_samples))
    ### END SOLUTION


def noise(seed, n_items, n_workers):
    """Draw one standard normal number per item in n_workers processes: an array of shape (n_items,), float64.

    Item i depends on (seed, i) alone: the result is the same for every n_workers, and its first k items are
    the same for every n_items >= k. Seed 1 is not seed 0 shifted.

    No process is left when noise returns or raises.
    """
    ### BEGIN SOLUTION
    shares = [(seed, items) for items in np.array_split(np.arange(n_items), n_workers)]
    with multiprocessing.Pool(n_workers) as pool:
        return np.concatenate(pool.starmap(_draw_items, shares, chunksize=1))


def _draw_items(seed, items):
    """Runs in a worker: every item from a stream of its own, so that it does not matter who draws it."""
    streams = (np.random.SeedSequence(seed, spawn_key=(int(item),)) for item in items)
    return np.array([np.random.default_rng(stream).standard_normal() for stream in streams], dtype=np.float64)
    ### END SOLUTION


def seed_worker(worker_id):
    """Set up the random numbers of a data loader's worker: `random`, `torch` and the dataset's own `rng`.

    The loader calls it in every worker process before the first item is fetched. `rng`, an attribute of the
    dataset, is a numpy.random.Generator that was made in the parent: every worker has a copy of the same one.
    """
    ### BEGIN SOLUTION
    import torch

    # The loader draws a new base every epoch and has seeded torch and random with base + worker_id already.
    worker = torch.utils.data.get_worker_info()
    base = worker.seed - worker_id
    worker.dataset.rng = np.random.default_rng([base, worker_id])
    ### END SOLUTION


def make_loader(dataset, batch_size, seed, num_workers):
    """Make a torch.utils.data.DataLoader that shuffles, with num_workers (at least 1) and seed_worker.

    The same seed gives the same batches in the same order, run after run, whatever else the program draws;
    another seed gives others. Two workers never draw the same numbers, and epoch 2 differs from epoch 1.
    """
    ### BEGIN SOLUTION
    import torch

    return torch.utils.data.DataLoader(
        dataset,
        batch_size=batch_size,
        shuffle=True,
        num_workers=num_workers,
        worker_init_fn=seed_worker,
        generator=torch.Generator().manual_seed(seed),
    )
    ### END SOLUTION
