# fails: test_a_dear_first_item_is_no_bad_deal
# mistake: takes the first item for all others: a dear one starts processes for next to nothing
import multiprocessing
import time


def adaptive_map(function, items, max_workers):
    items = list(items)
    if not items:
        return []
    begin = time.perf_counter()
    values = [function(items[0])]
    seconds = time.perf_counter() - begin
    rest = items[1:]
    if not rest or seconds * len(rest) < 0.02:
        return values + [function(item) for item in rest]
    with multiprocessing.get_context("fork").Pool(min(max_workers, len(rest))) as pool:
        values += pool.imap(function, rest, chunksize=max(1, len(rest) // (max_workers * 64)))
        pool.close()
        pool.join()
    return values
