"""n_workers - 1 forked processes and the caller; blocks are dealt out in turn, one segment holds all."""

import multiprocessing
from itertools import islice, product
from multiprocessing.shared_memory import SharedMemory

import numpy as np


def _share(matrices, block, worker, n_workers):
    a, b, c = matrices
    corners = product(range(0, c.shape[0], block), range(0, c.shape[1], block))
    for row, column in islice(corners, worker, None, n_workers):
        c[row : row + block, column : column + block] = a[row : row + block] @ b[:, column : column + block]


def block_matmul(a, b, n_workers, block):
    (rows, inner), (other, columns) = a.shape, b.shape
    assert inner == other and n_workers > 0 and block > 0
    shapes = [(rows, inner), (inner, columns), (rows, columns)]
    ends = np.cumsum([0] + [height * width for height, width in shapes])
    segment = SharedMemory(create=True, size=8 * int(ends[-1]) + 8)
    try:
        memory = np.ndarray(int(ends[-1]), buffer=segment.buf)
        matrices = [memory[ends[i] : ends[i + 1]].reshape(shape) for i, shape in enumerate(shapes)]
        matrices[0][...], matrices[1][...] = a, b
        context = multiprocessing.get_context("fork")
        helpers = [
            context.Process(target=_share, args=(matrices, block, worker, n_workers)) for worker in range(1, n_workers)
        ]
        begun = []
        try:
            for helper in helpers:
                helper.start()
                begun.append(helper)
            _share(matrices, block, 0, n_workers)
        finally:
            for helper in begun:
                helper.join()
        return matrices[2].copy()
    finally:
        memory = matrices = None
        segment.close()
        segment.unlink()
