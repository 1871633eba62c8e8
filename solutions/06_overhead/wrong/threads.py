# fails: test_processes_compute_and_no_more_than_asked
# mistake: threads: only one of them computes at a time
import time
from concurrent.futures import ThreadPoolExecutor


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
    with ThreadPoolExecutor(max_workers) as pool:
        values += pool.map(function, rest)
    return values
