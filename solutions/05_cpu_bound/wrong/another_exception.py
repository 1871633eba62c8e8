# fails: test_the_first_failing_item_is_raised
# mistake: the exception is wrapped in a RuntimeError: its type is lost
import multiprocessing


def parallel_map(function, items, n_workers):
    items = list(items)
    if not items:
        return []
    size = max(1, len(items) // (n_workers * 32))
    try:
        with multiprocessing.Pool(min(n_workers, len(items))) as pool:
            return list(pool.imap(function, items, chunksize=size))
    except Exception as error:
        raise RuntimeError(f"a worker failed: {error}") from error
