"""One segment holds a, b and c; the product is cut recursively in quarters down to blocks, leaves are dealt to the Processes."""

import multiprocessing
from itertools import islice
from multiprocessing.shared_memory import SharedMemory

import numpy as np


def leaves(top, bottom, left, right, block):
    """Rectangles of at most block x block, cut on multiples of block."""
    height, width = bottom - top, right - left
    if height <= 0 or width <= 0:
        return
    if height <= block and width <= block:
        yield top, bottom, left, right
    elif height >= width:
        middle = top + block * (-(-height // block) // 2)
        yield from leaves(top, middle, left, right, block)
        yield from leaves(middle, bottom, left, right, block)
    else:
        middle = left + block * (-(-width // block) // 2)
        yield from leaves(top, bottom, left, middle, block)
        yield from leaves(top, bottom, middle, right, block)


class Arena:
    def __init__(self, m, k, n):
        self.dims = m, k, n
        self.memory = SharedMemory(create=True, size=8 * (m * k + k * n + m * n) + 8)

    def matrices(self):
        m, k, n = self.dims
        flat = np.frombuffer(self.memory.buf, np.float64)
        at_b, at_c = m * k, m * k + k * n
        return flat[:at_b].reshape(m, k), flat[at_b:at_c].reshape(k, n), flat[at_c : at_c + m * n].reshape(m, n)

    def load(self, a, b):
        left, right, _ = self.matrices()
        left[...], right[...] = a, b

    def multiply(self, rank, n_workers, block):
        a, b, c = self.matrices()
        for top, bottom, left, right in islice(leaves(0, len(a), 0, b.shape[1], block), rank, None, n_workers):
            c[top:bottom, left:right] = a[top:bottom] @ b[:, left:right]

    def product(self):
        return self.matrices()[2].copy()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.memory.unlink()
        self.memory.close()


def block_matmul(a, b, n_workers, block):
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        raise ValueError(f"shapes {a.shape}, {b.shape} do not fit")
    if n_workers < 1 or block < 1:
        raise ValueError("n_workers and block are positive numbers")
    fork = multiprocessing.get_context("fork")
    with Arena(*a.shape, b.shape[1]) as arena:
        arena.load(a, b)
        team = [fork.Process(target=arena.multiply, args=(r, n_workers, block)) for r in range(n_workers)]
        started = []
        try:
            for member in team:
                member.start()
                started.append(member)
            for member in started:
                member.join()
            if any(member.exitcode != 0 for member in started):
                raise RuntimeError("a worker process failed")
        finally:
            for member in started:
                member.kill()
                member.join()
                member.close()
        return arena.product()
