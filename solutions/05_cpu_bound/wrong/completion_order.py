# fails: test_values_come_in_order
# mistake: values are listed as they become ready
import multiprocessing


def parallel_map(function, items, n_workers):
    items = list(items)
    if not items:
        return []
    size = max(1, len(items) // (n_workers * 32))
    with multiprocessing.Pool(min(n_workers, len(items))) as pool:
        return list(pool.imap_unordered(function, items, chunksize=size))
