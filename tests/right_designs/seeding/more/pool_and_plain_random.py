"""Only the standard library draws: random.Random with a text as its seed; Process+SimpleQueue for rows, Pool for items."""

import multiprocessing as mp
import random

import numpy as np


def _gauss(n, *words):
    rng = random.Random(" ".join(map(str, words)))  # a text is hashed by sha512, the same in every process
    return [rng.gauss(0.0, 1.0) for _ in range(n)]


def _put_row(queue, seed, rank, n):
    row = _gauss(n, "row", seed, rank)
    for start in range(0, n, 200):
        queue.put(np.array(row[start : start + 200], dtype=np.float64).tobytes())
    queue.put(None)


def _pieces(queue, process):
    """What the worker puts, up to the None; an error when the worker ends without it."""
    while True:
        while queue.empty():
            process.join(0.01)
            if process.exitcode is not None and queue.empty():
                raise RuntimeError("worker ended with %s" % process.exitcode)
        piece = queue.get()
        if piece is None:
            return
        yield piece


def draw(seed, n_workers, n_samples, start_method="spawn"):
    ctx = mp.get_context(start_method)
    queues, processes = [], []
    result = np.empty((n_workers, n_samples))
    try:
        for rank in range(n_workers):
            queue = ctx.SimpleQueue()
            queues.append(queue)
            process = ctx.Process(target=_put_row, args=(queue, seed, rank, n_samples))
            process.start()
            processes.append(process)
        for rank, (queue, process) in enumerate(zip(queues, processes)):
            result[rank] = np.frombuffer(b"".join(_pieces(queue, process)))
        for process in processes:
            process.join()
    finally:
        for process in processes:
            process.kill()
            process.join()
        for queue in queues:
            queue.close()
    return result


def _one_item(seed_and_i):
    return _gauss(1, "item", *seed_and_i)[0]


def noise(seed, n_items, n_workers):
    if n_items == 0:
        return np.array([], dtype=np.float64)
    pool = mp.get_context("fork").Pool(n_workers)
    try:
        values = pool.map(_one_item, [(seed, i) for i in range(n_items)])
        pool.close()
    except BaseException:
        pool.terminate()
        raise
    finally:
        pool.join()
    return np.array(values, dtype=np.float64)


def seed_worker(worker_id):
    from torch.utils.data import get_worker_info

    # the loader has seeded random and torch in this worker already, from its generator; what is missing is the dataset's rng
    get_worker_info().dataset.rng = np.random.default_rng([random.getrandbits(32) for _ in range(8)])


def make_loader(dataset, batch_size, seed, num_workers):
    import torch

    g = torch.Generator()
    g.manual_seed(random.Random("loader %s" % seed).getrandbits(62))
    return torch.utils.data.DataLoader(
        dataset, batch_size, shuffle=True, num_workers=num_workers, worker_init_fn=seed_worker, generator=g
    )
