# fails: test_operands_do_not_travel
# mistake: the operands are written to files that each worker reads
import multiprocessing
import tempfile
from pathlib import Path

import numpy as np


def _multiply(task):
    folder, row, column, block = task
    a, b = np.load(Path(folder, "a.npy")), np.load(Path(folder, "b.npy"))
    return row, column, a[row : row + block] @ b[:, column : column + block]


def block_matmul(a, b, n_workers, block):
    result = np.zeros((a.shape[0], b.shape[1]))
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder, "a.npy"), a)
        np.save(Path(folder, "b.npy"), b)
        rows, columns = range(0, a.shape[0], block), range(0, b.shape[1], block)
        with multiprocessing.Pool(n_workers) as pool:
            tasks = [(folder, row, column, block) for row in rows for column in columns]
            for row, column, part in pool.imap_unordered(_multiply, tasks):
                result[row : row + block, column : column + block] = part
            pool.close()
            pool.join()
    return result
