# fails: test_small_work_is_no_bad_deal
# mistake: starts the processes first, and then looks whether they are needed
import multiprocessing
import time


def _alone(function, items, seconds):
    values = []
    begin = time.process_time()
    for item in items:
        if time.process_time() - begin > seconds:
            break
        values.append(function(item))
    return values


def adaptive_map(function, items, max_workers):
    items = list(items)
    with multiprocessing.get_context("fork").Pool(max_workers) as pool:
        values = _alone(function, items, 0.025)
        rest = items[len(values) :]
        values += pool.imap(function, rest, chunksize=max(1, len(rest) // (max_workers * 64)))
        pool.close()
        pool.join()
    return values
