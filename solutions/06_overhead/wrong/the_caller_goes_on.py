# fails: test_processes_compute_and_no_more_than_asked
# mistake: the caller computes beside max_workers processes: one more than asked for
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
    half = len(rest) // 2
    with multiprocessing.get_context("fork").Pool(min(max_workers, len(rest))) as pool:
        others = pool.map_async(function, rest[half:], chunksize=1)
        values += [function(item) for item in rest[:half]]
        values += others.get()
        pool.close()
        pool.join()
    return values
