"""Philox keyed by a hash of the seed, the counter says which row or item; workers save .npy files; a sampler with epochs."""

import hashlib
import multiprocessing as mp
import os
import random
import tempfile

import numpy as np
import torch
from torch.utils.data import DataLoader, RandomSampler, get_worker_info


def _key(purpose, seed):
    return int.from_bytes(hashlib.sha256(f"{purpose}:{seed}".encode()).digest()[:16], "big")


def _stream(purpose, seed, number):
    # 256 bits of counter: the upper 128 choose the stream, the lower 128 run along it
    return np.random.Generator(np.random.Philox(key=_key(purpose, seed), counter=number << 128))


def _save_row(path, seed, rank, n_samples):
    np.save(path, _stream("row", seed, rank).standard_normal(n_samples))


def _save_items(path, seed, first, last):
    np.save(path, np.array([_stream("item", seed, i).standard_normal() for i in range(first, last)], dtype=np.float64))


def _through_files(start_method, target, jobs):
    ctx = mp.get_context(start_method)
    with tempfile.TemporaryDirectory() as folder:
        paths, processes = [], []
        try:
            for number, job in enumerate(jobs):
                path = os.path.join(folder, f"{number}.npy")
                process = ctx.Process(target=target, args=(path, *job))
                process.start()
                paths.append(path)
                processes.append(process)
            for process in processes:
                process.join()
                if process.exitcode != 0:
                    raise RuntimeError("a worker failed")
            return [np.load(path) for path in paths]
        finally:
            for process in processes:
                process.kill()
            for process in processes:
                process.join()


def draw(seed, n_workers, n_samples, start_method="spawn"):
    rows = _through_files(start_method, _save_row, [(seed, r, n_samples) for r in range(n_workers)])
    return np.stack(rows) if rows else np.empty((0, n_samples))


def noise(seed, n_items, n_workers):
    if not n_items:
        return np.empty(0)
    step = -(-n_items // n_workers)
    jobs = [(seed, a, min(a + step, n_items)) for a in range(0, n_items, step)]
    return np.concatenate(_through_files("fork", _save_items, jobs))


def seed_worker(worker_id):
    info = get_worker_info()
    base = info.seed - worker_id
    info.dataset.rng = _stream("numpy", base, worker_id)
    random.seed(f"{base}/{worker_id}")
    torch.manual_seed(_key("torch", f"{base}/{worker_id}") % 2**63)


def make_loader(dataset, batch_size, seed, num_workers):
    order = torch.Generator().manual_seed(_key("order", seed) % 2**63)
    workers = torch.Generator().manual_seed(_key("workers", seed) % 2**63)
    return DataLoader(
        dataset,
        batch_size,
        sampler=RandomSampler(dataset, generator=order),
        num_workers=num_workers,
        worker_init_fn=seed_worker,
        generator=workers,
    )
