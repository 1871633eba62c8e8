"""Spawned Processes attach to the segments by name; everything is released by an ExitStack."""

import multiprocessing
from contextlib import ExitStack
from multiprocessing.shared_memory import SharedMemory

import numpy as np


class SharedMatrix:
    """A float64 matrix in shared memory; its pickle is its name and shape."""

    def __init__(self, shape, name=None):
        self.shape = tuple(shape)
        self.owner = name is None
        size = max(8, 8 * self.shape[0] * self.shape[1])
        self.memory = SharedMemory(create=True, size=size) if self.owner else SharedMemory(name=name)
        self.array = np.ndarray(self.shape, np.float64, self.memory.buf)

    def __reduce__(self):
        return SharedMatrix, (self.shape, self.memory.name)

    def release(self):
        self.array = None
        if self.owner:
            self.memory.unlink()
        self.memory.close()


def multiply_some(a, b, c, corners, block):
    try:
        for i, j in corners_of(c.shape, block)[corners]:
            np.matmul(a.array[i : i + block], b.array[:, j : j + block], out=c.array[i : i + block, j : j + block])
    finally:
        for matrix in (a, b, c):
            matrix.release()


def corners_of(shape, block):
    return [(i, j) for i in range(0, shape[0], block) for j in range(0, shape[1], block)]


def block_matmul(a, b, n_workers, block):
    a = np.asarray(a, np.float64)
    b = np.asarray(b, np.float64)
    if a.ndim != 2 or b.ndim != 2:
        raise ValueError("two matrices are wanted")
    if a.shape[1] != b.shape[0]:
        raise ValueError(f"{a.shape} @ {b.shape}: the inner sizes differ")
    if n_workers < 1 or block < 1:
        raise ValueError("n_workers and block must be at least 1")
    context = multiprocessing.get_context("spawn")
    with ExitStack() as stack:

        def shared(shape):
            matrix = SharedMatrix(shape)
            stack.callback(matrix.release)
            return matrix

        left, right = shared(a.shape), shared(b.shape)
        product = shared((a.shape[0], b.shape[1]))
        left.array[:] = a
        right.array[:] = b

        workers = []

        def end_workers():
            for worker in workers:
                worker.kill()
                worker.join()
                worker.close()

        stack.callback(end_workers)
        for rank in range(n_workers):
            worker = context.Process(
                target=multiply_some, args=(left, right, product, slice(rank, None, n_workers), block)
            )
            worker.start()
            workers.append(worker)
        for worker in workers:
            worker.join()
        if any(worker.exitcode for worker in workers):
            raise RuntimeError("a worker failed")
        return product.array.copy()
