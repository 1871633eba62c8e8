# fails: test_every_item_is_computed_once_in_every_call
# mistake: the first item is computed once more, to see how dear it is
import multiprocessing
import time


def parallel_map(function, items, n_workers):
    items = list(items)
    if not items:
        return []
    begin = time.perf_counter()
    function(items[0])
    seconds = time.perf_counter() - begin
    size = max(1, min(int(0.005 / seconds), len(items) // (n_workers * 8)))
    with multiprocessing.Pool(min(n_workers, len(items))) as pool:
        return list(pool.imap(function, items, chunksize=size))
