"""n_workers - 1 Processes and the caller, all reading the segments; blocks in three loops with accumulation over k."""

import multiprocessing as mp
from multiprocessing.shared_memory import SharedMemory

import numpy as np

ctx = mp.get_context("fork")


def tiles(m, n, block):
    for i in range(0, m, block):
        for j in range(0, n, block):
            yield slice(i, min(i + block, m)), slice(j, min(j + block, n))


def part(rank, n_workers, dims, block, shms):
    m, k, n = dims
    a = np.ndarray((m, k), np.float64, shms["a"].buf)
    b = np.ndarray((k, n), np.float64, shms["b"].buf)
    c = np.ndarray((m, n), np.float64, shms["c"].buf)
    for number, (rows, columns) in enumerate(tiles(m, n, block)):
        if number % n_workers != rank:
            continue
        total = np.zeros((rows.stop - rows.start, columns.stop - columns.start))
        for inner in range(0, k, block):
            total += a[rows, inner : inner + block] @ b[inner : inner + block, columns]
        c[rows, columns] = total


def block_matmul(a, b, n_workers, block):
    if np.ndim(a) != 2 or np.ndim(b) != 2:
        raise ValueError("a and b must be matrices")
    (m, k), (k2, n) = np.shape(a), np.shape(b)
    if k != k2:
        raise ValueError(f"inner sizes differ: {k} and {k2}")
    if n_workers < 1 or block < 1:
        raise ValueError("n_workers and block must be >= 1")
    shms, children = {}, []
    try:
        for key, rows, columns, source in (("a", m, k, a), ("b", k, n, b), ("c", m, n, None)):
            shms[key] = SharedMemory(create=True, size=rows * columns * 8 or 8)
            if source is not None:
                np.ndarray((rows, columns), np.float64, shms[key].buf)[:, :] = source
        for rank in range(1, n_workers):
            child = ctx.Process(target=part, args=(rank, n_workers, (m, k, n), block, shms), daemon=True)
            child.start()
            children.append(child)
        part(0, n_workers, (m, k, n), block, shms)
        for child in children:
            child.join()
            if child.exitcode:
                raise RuntimeError(f"{child.name} failed ({child.exitcode})")
        return np.ndarray((m, n), np.float64, shms["c"].buf).copy()
    finally:
        for child in children:
            if child.is_alive():
                child.kill()
            child.join()
            child.close()
        for shm in shms.values():
            shm.unlink()
            try:
                shm.close()
            except BufferError:  # a traceback still holds a view: the name is gone, the memory follows it
                pass
