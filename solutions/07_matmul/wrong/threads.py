# fails: test_n_workers_compute
# mistake: threads, which need no shared memory
from concurrent.futures import ThreadPoolExecutor

import numpy as np


def block_matmul(a, b, n_workers, block):
    result = np.zeros((a.shape[0], b.shape[1]))

    def multiply(row):
        result[row : row + block] = a[row : row + block] @ b

    with ThreadPoolExecutor(n_workers) as pool:
        list(pool.map(multiply, range(0, a.shape[0], block)))
    return result
