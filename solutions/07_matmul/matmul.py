"""Exercise 07: multiply matrices in several processes that see the operands through shared memory."""

import multiprocessing
from multiprocessing.shared_memory import SharedMemory

import numpy as np


def block_matmul(a: np.ndarray, b: np.ndarray, n_workers: int, block: int) -> np.ndarray:
    """Return `a @ b`, computed in blocks by `n_workers` processes.

    `a` has the shape (rows, inner), `b` (inner, columns), both float64. Any of these may be 0, or no multiple of
    `block`, which is the side of the square blocks of the result that are handed out.

    The operands lie in `multiprocessing.shared_memory`: to a worker goes only what it must know to find them, and which
    blocks are its own. They are not changed. When it returns, or raises, nothing is left in shared memory, and no process.
    """
    ### BEGIN SOLUTION
    from contextlib import ExitStack

    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        raise ValueError(f"matrices of the shapes {a.shape} and {b.shape} cannot be multiplied")
    shapes = (a.shape, b.shape, (a.shape[0], b.shape[1]))
    with ExitStack() as stack:
        segments = []
        for shape in shapes:
            segment = SharedMemory(create=True, size=max(1, shape[0] * shape[1] * 8))  # one of 0 bytes is an error
            stack.callback(segment.unlink)  # called last, whatever happens from here on
            stack.callback(segment.close)
            segments.append(segment)
        for segment, operand in zip(segments, (a, b)):  # noqa: B905 - the result is not filled here
            np.ndarray(operand.shape, buffer=segment.buf)[:] = operand

        rows, columns = range(0, a.shape[0], block), range(0, b.shape[1], block)
        tasks = [(row, column, block) for row in rows for column in columns]
        names = [segment.name for segment in segments]
        with multiprocessing.Pool(n_workers, _attach, (names, shapes)) as pool:
            pool.map(_multiply, tasks, chunksize=1)
            pool.close()
            pool.join()
        return np.ndarray(shapes[2], buffer=segments[2].buf).copy()


_here: dict[str, list] = {}  # in a worker: the segments, which must live as long as the matrices in them


def _attach(names: list[str], shapes: tuple[tuple[int, int], ...]) -> None:
    _here["segments"] = [SharedMemory(name) for name in names]
    pairs = zip(shapes, _here["segments"], strict=True)
    _here["matrices"] = [np.ndarray(shape, buffer=segment.buf) for shape, segment in pairs]


def _multiply(task: tuple[int, int, int]) -> None:
    row, column, block = task
    a, b, result = _here["matrices"]
    rows, columns = slice(row, row + block), slice(column, column + block)
    result[rows, columns] = a[rows] @ b[:, columns]
    ### END SOLUTION
