"""Naive but right: in noise each worker runs through the whole stream and keeps its stride; results in a memory-mapped file."""

import multiprocessing as mp
import os
import random
import tempfile

import numpy as np
import torch
import torch.utils.data


class Workers:
    def __init__(self, start_method):
        self.ctx = mp.get_context(start_method)
        self.processes = []

    def go(self, function, *args):
        p = self.ctx.Process(target=function, args=args)
        p.start()
        self.processes.append(p)

    def wait(self):
        for p in self.processes:
            p.join()
            if p.exitcode:
                raise ChildProcessError("exit code %d" % p.exitcode)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for p in self.processes:
            p.kill()
            p.join()


def fill_row(path, shape, seed, r):
    table = np.memmap(path, dtype=np.float64, mode="r+", shape=shape)
    ss = np.random.SeedSequence(entropy=seed).spawn(shape[0])[r]
    np.random.Generator(np.random.MT19937(ss)).standard_normal(out=table[r])
    table.flush()


def draw(seed, n_workers, n_samples, start_method="spawn"):
    if n_workers * n_samples == 0 and n_workers == 0:
        return np.zeros((0, n_samples))
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "table")
        with open(path, "wb") as f:
            f.truncate(max(8, 8 * n_workers * n_samples))
        with Workers(start_method) as workers:
            for r in range(n_workers):
                workers.go(fill_row_or_nothing, path, (n_workers, n_samples), seed, r)
            workers.wait()
        return np.fromfile(path, dtype=np.float64, count=n_workers * n_samples).reshape(n_workers, n_samples)


def fill_row_or_nothing(path, shape, seed, r):
    if shape[1] > 0:
        fill_row(path, shape, seed, r)


def fill_stride(path, n_items, seed, w, n_workers):
    everything = np.random.default_rng(np.random.SeedSequence(seed)).standard_normal(n_items)
    table = np.memmap(path, dtype=np.float64, mode="r+", shape=(n_items,))
    table[w::n_workers] = everything[w::n_workers]
    table.flush()


def noise(seed, n_items, n_workers):
    if n_items == 0:
        return np.zeros(0)
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "items")
        with open(path, "wb") as f:
            f.truncate(8 * n_items)
        with Workers("fork") as workers:
            for w in range(n_workers):
                workers.go(fill_stride, path, n_items, seed, w, n_workers)
            workers.wait()
        return np.fromfile(path, dtype=np.float64)


def seed_worker(worker_id):
    me = torch.utils.data.get_worker_info()
    rs = np.random.RandomState(np.random.MT19937(np.random.SeedSequence(me.seed)))
    me.dataset.rng = np.random.default_rng(rs.randint(0, 2**32, size=8, dtype=np.uint64))
    random.seed(rs.bytes(32))
    torch.manual_seed(int(rs.randint(0, 2**62, dtype=np.int64)))


def make_loader(dataset, batch_size, seed, num_workers):
    g = torch.Generator()
    g.manual_seed(seed)
    return torch.utils.data.DataLoader(
        dataset, batch_size=batch_size, shuffle=True, num_workers=num_workers, worker_init_fn=seed_worker, generator=g
    )
