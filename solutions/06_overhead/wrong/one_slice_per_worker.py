# fails: test_uneven_work_pays
# mistake: every worker gets one slice with the same number of items, whatever they cost
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
    values = _alone(function, items, 0.025)
    rest = items[len(values) :]
    if not rest:
        return values
    with multiprocessing.get_context("fork").Pool(min(max_workers, len(rest))) as pool:
        size = -(-len(rest) // min(max_workers, len(rest)))
        values += pool.imap(function, rest, chunksize=size)
        pool.close()
        pool.join()
    return values
