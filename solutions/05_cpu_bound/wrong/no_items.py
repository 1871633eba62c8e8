# fails: test_small_cases
# mistake: no items: a pool of no workers is an error
import multiprocessing


def parallel_map(function, items, n_workers):
    items = list(items)
    size = max(1, len(items) // (n_workers * 32))
    with multiprocessing.Pool(min(n_workers, len(items))) as pool:
        return list(pool.imap(function, items, chunksize=size))
