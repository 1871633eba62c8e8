# fails: test_nothing_is_left_behind
# mistake: the pool is closed where all goes well, and only there
import multiprocessing


def parallel_map(function, items, n_workers):
    items = list(items)
    if not items:
        return []
    size = max(1, len(items) // (n_workers * 32))
    pool = multiprocessing.Pool(min(n_workers, len(items)))
    values = list(pool.imap(function, items, chunksize=size))
    pool.close()
    pool.join()
    return values
