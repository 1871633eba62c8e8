# fails: test_n_workers_compute
# mistake: workers that do nothing, segments that nobody reads, and the caller multiplies
import multiprocessing
import time
from multiprocessing.shared_memory import SharedMemory

import numpy as np


def block_matmul(a, b, n_workers, block):
    if a.shape[1] != b.shape[0] or block < 1 or n_workers < 1:
        raise ValueError("bad")
    ctx = multiprocessing.get_context("fork")
    segs, procs = [], []
    try:
        for x in (a, b):
            s = SharedMemory(create=True, size=max(1, x.nbytes))
            segs.append(s)
            np.ndarray(x.shape, buffer=s.buf)[...] = x
        for _ in range(n_workers - 1):
            p = ctx.Process(target=time.sleep, args=(0.01,))
            p.start()
            procs.append(p)
        return a @ b
    finally:
        for p in procs:
            p.join()
        for s in segs:
            s.close()
            s.unlink()
