# fails: test_operands_do_not_travel
# mistake: workers inherit the operands by a fork, and no memory is shared
import multiprocessing

import numpy as np

_operands = {}


def _multiply(task):
    row, column, block = task
    a, b = _operands["a"], _operands["b"]
    return row, column, a[row : row + block] @ b[:, column : column + block]


def block_matmul(a, b, n_workers, block):
    _operands.update(a=a, b=b)
    result = np.zeros((a.shape[0], b.shape[1]))
    tasks = [(row, column, block) for row in range(0, a.shape[0], block) for column in range(0, b.shape[1], block)]
    with multiprocessing.get_context("fork").Pool(n_workers) as pool:
        for row, column, part in pool.imap_unordered(_multiply, tasks):
            result[row : row + block, column : column + block] = part
        pool.close()
        pool.join()
    return result
