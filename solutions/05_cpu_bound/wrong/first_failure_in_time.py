# fails: test_the_first_failing_item_is_raised
# mistake: Pool.map raises the failure that came first in time
import multiprocessing


def parallel_map(function, items, n_workers):
    items = list(items)
    if not items:
        return []
    size = max(1, len(items) // (n_workers * 32))
    with multiprocessing.Pool(min(n_workers, len(items))) as pool:
        return pool.map(function, items, chunksize=size)
