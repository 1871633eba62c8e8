"""No more processes than the machine has physical cores."""

import multiprocessing
import time

import psutil


def adaptive_map(function, items, max_workers):
    items = list(items)
    workers = min(max_workers, psutil.cpu_count(logical=False) or 1)
    values = []
    begin = time.perf_counter()
    while len(values) < len(items) and (workers == 1 or time.perf_counter() - begin < 0.02):
        values.append(function(items[len(values)]))
    rest = items[len(values) :]
    if rest:
        with multiprocessing.get_context("fork").Pool(min(workers, len(rest))) as pool:
            values += pool.imap(function, rest, chunksize=max(1, len(rest) // (workers * 50)))
            pool.close()
            pool.join()
    return values
