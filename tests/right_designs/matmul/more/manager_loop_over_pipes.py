"""Row-of-blocks numbers go out over one duplex pipe per Process on request; a worker's exception comes back and is raised."""

import logging
import multiprocessing
from multiprocessing import connection
from multiprocessing.shared_memory import SharedMemory

import numpy as np

logger = logging.getLogger("block_matmul")


class View:
    """An ndarray over a segment, only within a with block."""

    __slots__ = ("memory", "shape", "array")

    def __init__(self, memory, shape):
        self.memory, self.shape, self.array = memory, shape, None

    def __enter__(self):
        self.array = np.ndarray(self.shape, dtype=np.float64, buffer=self.memory.buf)
        return self.array

    def __exit__(self, *_):
        self.array = None


def work(pipe, names, shapes, block):
    memories = [SharedMemory(name=name) for name in names]
    with View(memories[0], shapes[0]) as a, View(memories[1], shapes[1]) as b, View(memories[2], shapes[2]) as c:
        try:
            pipe.send(None)
            while (row := pipe.recv()) is not None:
                band = a[row : row + block]
                for column in range(0, c.shape[1], block):
                    c[row : row + block, column : column + block] = band.dot(b[:, column : column + block])
                pipe.send(None)
        except Exception as error:
            pipe.send(error)


def conduct(names, shapes, n_workers, block):
    ctx = multiprocessing.get_context("fork")
    crew = {}
    try:
        for _ in range(n_workers):
            ours, theirs = ctx.Pipe()
            process = ctx.Process(target=work, args=(theirs, names, shapes, block))
            process.start()
            theirs.close()
            crew[ours] = process
        rows = iter(range(0, shapes[2][0], block))
        waiting = list(crew)
        while waiting:
            for pipe in connection.wait(waiting):
                try:
                    error = pipe.recv()
                except (EOFError, ConnectionError):
                    raise RuntimeError("a worker died") from None
                if error is not None:
                    raise error
                row = next(rows, None)
                logger.debug("row %s to %s", row, crew[pipe].name)
                pipe.send(row)
                if row is None:
                    waiting.remove(pipe)
        for process in crew.values():
            process.join()
    finally:
        for pipe, process in crew.items():
            pipe.close()
            process.kill()
            process.join()
            process.close()


def block_matmul(a, b, n_workers, block):
    a, b = (np.asarray(x, dtype=np.float64) for x in (a, b))
    if not (a.ndim == b.ndim == 2 and a.shape[1] == b.shape[0]):
        raise ValueError(f"no product of {a.shape} and {b.shape}")
    if n_workers < 1 or block < 1:
        raise ValueError(f"n_workers={n_workers}, block={block}")
    shapes = a.shape, b.shape, (a.shape[0], b.shape[1])
    memories = []
    try:
        for rows, columns in shapes:
            memories.append(SharedMemory(create=True, size=max(1, rows * columns) * 8))
        for memory, matrix in zip(memories, (a, b)):
            with View(memory, matrix.shape) as target:
                target[:] = matrix
            del target
        conduct([memory.name for memory in memories], shapes, n_workers, block)
        with View(memories[2], shapes[2]) as product:
            result = product.copy()
        del product
        return result
    finally:
        for memory in memories:
            memory.unlink()
            memory.close()
