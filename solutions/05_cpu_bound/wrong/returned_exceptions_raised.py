# fails: test_unusual_values
# mistake: failures travel among the values: an exception that the function returned is raised too
import multiprocessing
from functools import partial


def _value_or_error(function, item):
    try:
        return function(item)
    except Exception as error:
        return error


def parallel_map(function, items, n_workers):
    items = list(items)
    if not items:
        return []
    size = max(1, len(items) // (n_workers * 32))
    with multiprocessing.Pool(min(n_workers, len(items))) as pool:
        values = pool.map(partial(_value_or_error, function), items, chunksize=size)
    for value in values:
        if isinstance(value, Exception):
            raise value
    return values
