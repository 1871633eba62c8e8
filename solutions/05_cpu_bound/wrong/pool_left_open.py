# fails: test_nothing_is_left_behind
# mistake: a pool kept in the module for the next call
import multiprocessing

_pools = {}


def parallel_map(function, items, n_workers):
    items = list(items)
    if n_workers not in _pools:
        _pools[n_workers] = multiprocessing.Pool(n_workers)
    size = max(1, len(items) // (n_workers * 32))
    return list(_pools[n_workers].imap(function, items, chunksize=size))
