# fails: test_operands_do_not_travel
# mistake: both operands are sent to each worker when it starts
import multiprocessing

import numpy as np

_here = {}


def _take(queue):
    _here["operands"] = queue.get()


def _multiply(task):
    row, column, block = task
    a, b = _here["operands"]
    return row, column, a[row : row + block] @ b[:, column : column + block]


def block_matmul(a, b, n_workers, block):
    result = np.zeros((a.shape[0], b.shape[1]))
    tasks = [(row, column, block) for row in range(0, a.shape[0], block) for column in range(0, b.shape[1], block)]
    queue = multiprocessing.SimpleQueue()
    with multiprocessing.Pool(n_workers, _take, (queue,)) as pool:
        for _ in range(n_workers):
            queue.put((a, b))
        for row, column, part in pool.imap_unordered(_multiply, tasks):
            result[row : row + block, column : column + block] = part
        pool.close()
        pool.join()
    queue.close()
    return result
