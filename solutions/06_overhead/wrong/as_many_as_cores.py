# fails: test_processes_compute_and_no_more_than_asked
# mistake: a process for every core, whatever max_workers says
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
    with multiprocessing.get_context("fork").Pool() as pool:
        values += pool.imap(function, rest, chunksize=max(1, len(rest) // (max_workers * 64)))
        pool.close()
        pool.join()
    return values
