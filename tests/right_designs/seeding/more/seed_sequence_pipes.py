"""SeedSequence.spawn for rows and fixed blocks of items, one Process with a pipe each; DataLoader with a seeded generator."""

import multiprocessing as mp
import random

import numpy as np

BLOCK = 256


def _work(pipe, function, *args):
    try:
        pipe.send((True, function(*args)))
    except Exception as e:
        pipe.send((False, e))
    finally:
        pipe.close()


def _in_processes(ctx, function, argument_lists):
    processes, pipes = [], []
    try:
        for args in argument_lists:
            mine, theirs = ctx.Pipe(duplex=False)
            pipes.append(mine)
            p = ctx.Process(target=_work, args=(theirs, function, *args))
            try:
                p.start()
            finally:
                theirs.close()
            processes.append(p)
        results = []
        for pipe in pipes:
            fine, value = pipe.recv()  # read before join
            if not fine:
                raise value
            results.append(value)
        for p in processes:
            p.join()
        return results
    finally:
        for p in processes:
            p.kill()
            p.join()
        for pipe in pipes:
            pipe.close()


def _row(sequence, n_samples):
    return np.random.default_rng(sequence).standard_normal(n_samples)


def draw(seed, n_workers, n_samples, start_method="spawn"):
    sequences = np.random.SeedSequence(seed).spawn(n_workers)
    rows = _in_processes(mp.get_context(start_method), _row, [(s, n_samples) for s in sequences])
    return np.array(rows, dtype=np.float64).reshape(n_workers, n_samples)


def _blocks(seed, numbers):
    return {b: _row(np.random.SeedSequence(seed, spawn_key=(b,)), BLOCK) for b in numbers}


def noise(seed, n_items, n_workers):
    if n_items == 0:
        return np.empty(0)
    n_blocks = -(-n_items // BLOCK)
    parts = _in_processes(
        mp.get_context("fork"), _blocks, [(seed, range(w, n_blocks, n_workers)) for w in range(n_workers)]
    )
    found = {}
    for part in parts:
        found.update(part)
    return np.concatenate([found[b] for b in range(n_blocks)])[:n_items]


def seed_worker(worker_id):
    import torch

    info = torch.utils.data.get_worker_info()
    # info.seed is drawn anew by the loader for every epoch, and differs from worker to worker
    a, b, c = np.random.SeedSequence(info.seed).spawn(3)
    info.dataset.rng = np.random.default_rng(a)
    random.seed(int(b.generate_state(1, np.uint64)[0]))
    torch.manual_seed(int(c.generate_state(1, np.uint64)[0]))


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
