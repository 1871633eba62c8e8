"""Rows from one PCG64 jumped r times, written straight into shared memory; items by PCG64.advance and Box-Muller."""

import math
import multiprocessing
import random
from contextlib import contextmanager
from multiprocessing.shared_memory import SharedMemory

import numpy
import torch
from torch.utils.data import DataLoader, get_worker_info


@contextmanager
def shared(size):
    memory = SharedMemory(create=True, size=max(size, 1))
    try:
        yield memory
    finally:
        memory.close()
        memory.unlink()


def compute(ctx, function, argument_lists):
    workers = []
    try:
        for args in argument_lists:
            worker = ctx.Process(target=function, args=args)
            worker.start()
            workers.append(worker)
        for worker in workers:
            worker.join()
        if any(worker.exitcode for worker in workers):
            raise RuntimeError(f"exit codes of the workers: {[w.exitcode for w in workers]}")
    finally:
        for worker in workers:
            worker.kill()
            worker.join()


def store(name, first, values):
    memory = SharedMemory(name=name)
    data = values.tobytes()
    memory.buf[8 * first : 8 * first + len(data)] = data
    memory.close()


def draw_row(name, seed, rank, n_samples):
    rng = numpy.random.Generator(numpy.random.PCG64(seed).jumped(rank))
    store(name, rank * n_samples, rng.standard_normal(n_samples))


def draw(seed, n_workers, n_samples, start_method="spawn"):
    size = 8 * n_workers * n_samples
    with shared(size) as memory:
        compute(
            multiprocessing.get_context(start_method),
            draw_row,
            [(memory.name, seed, rank, n_samples) for rank in range(n_workers)],
        )
        return numpy.frombuffer(bytes(memory.buf[:size])).reshape(n_workers, n_samples).copy()


def draw_items(name, seed, first, last):
    bits = numpy.random.PCG64(numpy.random.SeedSequence([7, seed]))
    bits.advance(2 * first)  # item i owns the numbers 2i and 2i+1 of the stream
    u, v = numpy.random.Generator(bits).random((last - first, 2)).T
    store(name, first, numpy.sqrt(-2.0 * numpy.log(1.0 - u)) * numpy.cos(2 * math.pi * v))


def noise(seed, n_items, n_workers):
    if n_items == 0:
        return numpy.zeros(0)
    n_workers = min(n_workers, n_items)
    cuts = [n_items * w // n_workers for w in range(n_workers + 1)]
    with shared(8 * n_items) as memory:
        compute(
            multiprocessing.get_context("fork"), draw_items, [(memory.name, seed, a, b) for a, b in zip(cuts, cuts[1:])]
        )
        return numpy.frombuffer(bytes(memory.buf[: 8 * n_items])).copy()


def seed_worker(worker_id):
    seed = torch.initial_seed() % 2**63  # the loader's base seed of this epoch + worker_id
    random.seed(seed)
    get_worker_info().dataset.rng = numpy.random.default_rng(seed)


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
