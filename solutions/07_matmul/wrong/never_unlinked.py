# fails: test_nothing_is_left_behind
# mistake: segments are closed, and never unlinked
import multiprocessing
from multiprocessing.shared_memory import SharedMemory

import numpy as np


_here = {}


def _attach(names, shapes):
    _here["segments"] = [SharedMemory(name) for name in names]
    _here["matrices"] = [np.ndarray(shape, buffer=segment.buf) for shape, segment in zip(shapes, _here["segments"])]


def _multiply(task):
    row, column, block = task
    a, b, result = _here["matrices"]
    rows, columns = slice(row, row + block), slice(column, column + block)
    result[rows, columns] = a[rows] @ b[:, columns]


def _segment(array):
    segment = SharedMemory(create=True, size=max(1, array.nbytes))
    np.ndarray(array.shape, buffer=segment.buf)[:] = array
    return segment


def block_matmul(a, b, n_workers, block):
    shapes = [a.shape, b.shape, (a.shape[0], b.shape[1])]
    segments = []
    try:
        for array in (a, b, np.zeros(shapes[2])):
            segments.append(_segment(array))
        tasks = [(row, column, block) for row in range(0, a.shape[0], block) for column in range(0, b.shape[1], block)]
        with multiprocessing.Pool(n_workers, _attach, ([segment.name for segment in segments], shapes)) as pool:
            pool.map(_multiply, tasks, chunksize=1)
            pool.close()
            pool.join()
        return np.ndarray(shapes[2], buffer=segments[2].buf).copy()
    finally:
        for segment in segments:
            segment.close()
