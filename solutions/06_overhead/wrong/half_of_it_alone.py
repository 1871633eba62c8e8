# fails: test_large_work_pays
# mistake: measures for too long: half of the items
import multiprocessing


def adaptive_map(function, items, max_workers):
    items = list(items)
    values = [function(item) for item in items[: (len(items) + 1) // 2]]
    rest = items[len(values) :]
    if not rest:
        return values
    with multiprocessing.get_context("fork").Pool(min(max_workers, len(rest))) as pool:
        values += pool.imap(function, rest, chunksize=max(1, len(rest) // (max_workers * 64)))
        pool.close()
        pool.join()
    return values
