"""A SharedMemoryManager owns the segments; an executor's tasks attach to them anew each time."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing.managers import SharedMemoryManager
from multiprocessing.shared_memory import SharedMemory

import numpy as np


def _block(names, shapes, row, column, block):
    segments = [SharedMemory(name) for name in names]
    try:
        a, b, c = (np.ndarray(shape, buffer=segment.buf) for shape, segment in zip(shapes, segments, strict=True))
        c[row : row + block, column : column + block] = a[row : row + block] @ b[:, column : column + block]
        del a, b, c
    finally:
        for segment in segments:
            segment.close()


def block_matmul(a, b, n_workers, block):
    if a.shape[1] != b.shape[0]:
        raise ValueError(f"{a.shape} @ {b.shape}")
    shapes = [a.shape, b.shape, (a.shape[0], b.shape[1])]
    with SharedMemoryManager() as manager:
        segments = [manager.SharedMemory(size=max(8, 8 * rows * columns)) for rows, columns in shapes]
        for operand, segment in zip((a, b), segments, strict=False):
            np.ndarray(operand.shape, buffer=segment.buf)[:] = operand
        names = [segment.name for segment in segments]
        with ProcessPoolExecutor(n_workers) as executor:
            futures = [
                executor.submit(_block, names, shapes, row, column, block)
                for row in range(0, shapes[2][0], block)
                for column in range(0, shapes[2][1], block)
            ]
            for future in futures:
                future.result()
        result = np.ndarray(shapes[2], buffer=segments[2].buf).copy()
        for segment in segments:
            segment.close()
    return result
