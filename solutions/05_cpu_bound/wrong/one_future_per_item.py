# fails: test_tiny_items_are_fast
# mistake: ProcessPoolExecutor.map with its default chunksize of 1: a future for every item
from concurrent.futures import ProcessPoolExecutor


def parallel_map(function, items, n_workers):
    items = list(items)
    if not items:
        return []
    with ProcessPoolExecutor(min(n_workers, len(items))) as pool:
        return list(pool.map(function, items))
