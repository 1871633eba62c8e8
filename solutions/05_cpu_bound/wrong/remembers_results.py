# fails: test_every_item_is_computed_once_in_every_call
# mistake: results of earlier calls are remembered by the function and the items
import multiprocessing

_known = {}


def parallel_map(function, items, n_workers):
    items = list(items)
    if not items:
        return []
    key = (function.__name__, repr(items), n_workers)
    if key not in _known:
        size = max(1, len(items) // (n_workers * 32))
        with multiprocessing.Pool(min(n_workers, len(items))) as pool:
            _known[key] = list(pool.imap(function, items, chunksize=size))
    return list(_known[key])
