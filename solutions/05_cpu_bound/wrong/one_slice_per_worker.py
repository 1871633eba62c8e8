# fails: test_uneven_work_is_fast
# mistake: every worker gets one slice with the same number of items, whatever they cost
from concurrent.futures import ProcessPoolExecutor


def parallel_map(function, items, n_workers):
    items = list(items)
    if not items:
        return []
    slice_size = -(-len(items) // n_workers)
    with ProcessPoolExecutor(min(n_workers, len(items))) as pool:
        return list(pool.map(function, items, chunksize=slice_size))
