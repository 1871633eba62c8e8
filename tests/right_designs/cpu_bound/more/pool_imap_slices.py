"""A fork Pool reads an ordered imap of many small slices; a failure travels as data, so the first in order wins."""

import multiprocessing


def _run_slice(job):
    function, part = job
    values = []
    for item in part:
        try:
            values.append(function(item))
        except BaseException as error:
            return values, error
    return values, None


def parallel_map(function, items, n_workers):
    items = list(items)
    if not items:
        return []
    n = max(1, min(n_workers, len(items)))
    size = max(1, len(items) // (64 * n))
    jobs = ((function, items[i : i + size]) for i in range(0, len(items), size))
    pool = multiprocessing.get_context("fork").Pool(n)
    try:
        result = []
        for values, error in pool.imap(_run_slice, jobs):
            if error is not None:
                raise error
            result.extend(values)
        pool.close()
        pool.join()
        return result
    finally:
        pool.terminate()
        pool.join()
