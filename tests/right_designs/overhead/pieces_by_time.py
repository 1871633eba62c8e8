"""Pieces whose size follows from the time that items have taken so far."""

import multiprocessing
import time


def adaptive_map(function, items, max_workers):
    items = list(items)
    values = []
    begin = time.process_time()
    spent = 0.0
    for item in items:
        if spent > 0.02:
            break
        values.append(function(item))
        spent = time.process_time() - begin
    rest = items[len(values) :]
    if not rest:
        return values
    if max_workers == 1:
        return values + [function(item) for item in rest]
    per_item = spent / len(values)
    size = max(1, min(int(0.002 / per_item), len(rest) // (4 * max_workers)))
    pool = multiprocessing.get_context("fork").Pool(min(max_workers, len(rest)))
    try:
        values.extend(pool.imap(function, rest, size))
    finally:
        pool.terminate()
        pool.join()
    return values
