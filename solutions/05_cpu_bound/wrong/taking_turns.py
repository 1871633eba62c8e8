# fails: test_even_work_is_fast
# mistake: the workers hold a lock while they compute: they take turns
import multiprocessing


def _begin(lock):
    global _lock
    _lock = lock


def _in_turn(task):
    function, item = task
    with _lock:
        return function(item)


def parallel_map(function, items, n_workers):
    items = [(function, item) for item in items]
    if not items:
        return []
    lock = multiprocessing.Lock()
    size = max(1, len(items) // (n_workers * 32))
    with multiprocessing.Pool(min(n_workers, len(items)), _begin, (lock,)) as pool:
        return list(pool.imap(_in_turn, items, chunksize=size))
