# fails: test_the_first_failing_item_is_raised
# mistake: an item that fails gives None
import multiprocessing
from functools import partial


def _quietly(function, item):
    try:
        return function(item)
    except Exception:
        return None


def parallel_map(function, items, n_workers):
    items = list(items)
    if not items:
        return []
    size = max(1, len(items) // (n_workers * 32))
    with multiprocessing.Pool(min(n_workers, len(items))) as pool:
        return list(pool.imap(partial(_quietly, function), items, chunksize=size))
