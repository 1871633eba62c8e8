"""No more processes than the machine has cores."""

import multiprocessing
import os


def parallel_map(function, items, n_workers):
    items = list(items)
    workers = min(n_workers, os.cpu_count() or 1, len(items))
    if workers <= 1:
        return [function(item) for item in items]
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        values = list(pool.imap(function, items, chunksize=max(1, len(items) // (workers * 32))))
        pool.close()
        pool.join()
    return values
