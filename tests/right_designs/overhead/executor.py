"""A loop for the first 15 ms by the clock on the wall, then a ProcessPoolExecutor with pieces of its own."""

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor


def _compute(function, part):
    return [function(item) for item in part]


def adaptive_map(function, items, max_workers):
    items = list(items)
    values = []
    begin = time.perf_counter()
    while len(values) < len(items) and (max_workers == 1 or time.perf_counter() - begin < 0.015):
        values.append(function(items[len(values)]))
    rest = items[len(values) :]
    if not rest:
        return values
    size = max(1, len(rest) // (max_workers * 40))
    with ProcessPoolExecutor(max_workers, multiprocessing.get_context("fork")) as pool:
        futures = [pool.submit(_compute, function, rest[at : at + size]) for at in range(0, len(rest), size)]
        for future in futures:
            values += future.result()
    return values
