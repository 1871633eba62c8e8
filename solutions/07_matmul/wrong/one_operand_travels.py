# fails: test_operands_do_not_travel
# mistake: a is shared; the columns of b are sent with each block
import multiprocessing
from multiprocessing.shared_memory import SharedMemory

import numpy as np


_here = {}


def _attach(names, shapes):
    _here["segments"] = [SharedMemory(name) for name in names]
    _here["matrices"] = [np.ndarray(shape, buffer=segment.buf) for shape, segment in zip(shapes, _here["segments"])]


def _multiply(task):
    row, column, block, part = task
    a, result = _here["matrices"]
    rows, columns = slice(row, row + block), slice(column, column + block)
    result[rows, columns] = a[rows] @ part


def _segment(array):
    segment = SharedMemory(create=True, size=max(1, array.nbytes))
    np.ndarray(array.shape, buffer=segment.buf)[:] = array
    return segment


def block_matmul(a, b, n_workers, block):
    shapes = [a.shape, (a.shape[0], b.shape[1])]
    segments = []
    try:
        for array in (a, np.zeros(shapes[1])):
            segments.append(_segment(array))
        tasks = [
            (row, column, block, b[:, column : column + block])
            for row in range(0, a.shape[0], block)
            for column in range(0, b.shape[1], block)
        ]
        with multiprocessing.Pool(n_workers, _attach, ([segment.name for segment in segments], shapes)) as pool:
            pool.map(_multiply, tasks, chunksize=1)
            pool.close()
            pool.join()
        return np.ndarray(shapes[1], buffer=segments[1].buf).copy()
    finally:
        for segment in segments:
            segment.close()
            segment.unlink()
