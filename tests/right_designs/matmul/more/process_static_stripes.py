"""n_workers forked Processes, blocks dealt out by number modulo n_workers, operands and product in three segments."""

import multiprocessing
from contextlib import contextmanager
from multiprocessing.shared_memory import SharedMemory

import numpy as np


@contextmanager
def segment(n_bytes):
    memory = SharedMemory(create=True, size=max(1, n_bytes))
    try:
        yield memory
    finally:
        memory.unlink()
        memory.close()


def view(memory, shape):
    return np.ndarray(shape, dtype=np.float64, buffer=memory.buf)


def put(memory, matrix):
    view(memory, matrix.shape)[...] = matrix


def get(memory, shape):
    return view(memory, shape).copy()


def stripes(rank, n, block, shape_a, shape_b, memories):
    a, b = view(memories[0], shape_a), view(memories[1], shape_b)
    c = view(memories[2], (shape_a[0], shape_b[1]))
    number = 0
    for i in range(0, shape_a[0], block):
        for j in range(0, shape_b[1], block):
            if number % n == rank:
                c[i : i + block, j : j + block] = a[i : i + block] @ b[:, j : j + block]
            number += 1


def block_matmul(a, b, n_workers, block):
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        raise ValueError(f"shapes {a.shape} and {b.shape} do not fit")
    if n_workers < 1 or block < 1:
        raise ValueError("n_workers and block must be positive")
    shape = a.shape[0], b.shape[1]
    context = multiprocessing.get_context("fork")
    with segment(a.nbytes) as ma, segment(b.nbytes) as mb, segment(8 * shape[0] * shape[1]) as mc:
        put(ma, a)
        put(mb, b)
        workers = []
        try:
            for rank in range(n_workers):
                worker = context.Process(target=stripes, args=(rank, n_workers, block, a.shape, b.shape, (ma, mb, mc)))
                worker.start()
                workers.append(worker)
            for worker in workers:
                worker.join()
                if worker.exitcode != 0:
                    raise RuntimeError(f"a worker ended with {worker.exitcode}")
        finally:
            for worker in workers:
                worker.kill()
                worker.join()
                worker.close()
        return get(mc, shape)
