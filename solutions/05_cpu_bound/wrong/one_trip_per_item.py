# fails: test_tiny_items_are_fast
# mistake: every item travels to a worker alone, and its value travels back alone
import multiprocessing


def parallel_map(function, items, n_workers):
    items = list(items)
    if not items:
        return []
    with multiprocessing.Pool(min(n_workers, len(items))) as pool:
        return list(pool.imap(function, items))
