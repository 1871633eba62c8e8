# fails: test_operands_do_not_travel
# mistake: each block's strips of the operands are sent to a worker
import multiprocessing

import numpy as np


def _multiply(task):
    row, column, rows, columns = task
    return row, column, rows @ columns


def block_matmul(a, b, n_workers, block):
    result = np.zeros((a.shape[0], b.shape[1]))
    tasks = [
        (row, column, a[row : row + block], b[:, column : column + block])
        for row in range(0, a.shape[0], block)
        for column in range(0, b.shape[1], block)
    ]
    with multiprocessing.Pool(n_workers) as pool:
        for row, column, part in pool.imap_unordered(_multiply, tasks):
            result[row : row + block, column : column + block] = part
        pool.close()
        pool.join()
    return result
