# fails: test_nothing_is_left_behind
# mistake: a pool kept in the module for the next call
import multiprocessing
import time

_pools = {}


def _alone(function, items, seconds):
    values = []
    begin = time.process_time()
    for item in items:
        if time.process_time() - begin > seconds:
            break
        values.append(function(item))
    return values


def adaptive_map(function, items, max_workers):
    items = list(items)
    values = _alone(function, items, 0.025)
    rest = items[len(values) :]
    if not rest:
        return values
    if max_workers not in _pools:
        _pools[max_workers] = multiprocessing.get_context("fork").Pool(max_workers)
    pool = _pools[max_workers]
    values += pool.imap(function, rest, chunksize=max(1, len(rest) // (max_workers * 64)))
    return values
