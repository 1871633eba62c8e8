"""ProcessPoolExecutor whose initializer attaches by name; one task per row panel, blocks inside it."""

import math
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import shared_memory

import numpy as np

_arrays = []
_memories = []


def _attach(descriptions):
    for name, shape in descriptions:
        memory = shared_memory.SharedMemory(name=name)
        _memories.append(memory)
        _arrays.append(np.ndarray(shape, dtype=float, buffer=memory.buf))


def _panels(rows, block):
    a, b, c = _arrays
    for i in rows:
        for j in range(0, c.shape[1], block):
            c[i : i + block, j : j + block] = np.dot(a[i : i + block, :], b[:, j : j + block])


class _Segments:
    def __init__(self):
        self.memories, self.descriptions = [], []

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for memory in self.memories:
            memory.unlink()
        for memory in self.memories:
            memory.close()

    def add(self, shape, content=None):
        memory = shared_memory.SharedMemory(create=True, size=max(1, math.prod(shape) * 8))
        self.memories.append(memory)
        self.descriptions.append((memory.name, shape))
        if content is not None:
            np.ndarray(shape, dtype=float, buffer=memory.buf)[:] = content

    def read(self, k):
        _, shape = self.descriptions[k]
        return np.ndarray(shape, dtype=float, buffer=self.memories[k].buf).copy()


def block_matmul(a, b, n_workers, block):
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    (m, k), (k_too, n) = a.shape, b.shape
    if k != k_too:
        raise ValueError(f"matmul: {a.shape} and {b.shape} do not fit")
    if block <= 0:
        raise ValueError("block must be positive")
    if n_workers <= 0:
        raise ValueError("n_workers must be positive")
    with _Segments() as segments:
        segments.add(a.shape, a)
        segments.add(b.shape, b)
        segments.add((m, n))
        panels = range(0, m, block)
        tasks = max(1, min(len(panels), 4 * n_workers))
        with ProcessPoolExecutor(
            n_workers, multiprocessing.get_context("fork"), _attach, (segments.descriptions,)
        ) as executor:
            futures = [executor.submit(_panels, panels[t::tasks], block) for t in range(tasks)]
            for future in futures:
                future.result()
        return segments.read(2)
