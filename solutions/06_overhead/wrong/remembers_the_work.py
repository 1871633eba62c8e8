# fails: test_every_item_is_computed_once_in_every_call
# mistake: values of earlier calls are remembered by the function and the items
import multiprocessing
import time

_known = {}


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
    key = function.__name__, repr(items)
    if key not in _known:
        values = _alone(function, items, 0.025)
        rest = items[len(values) :]
        if rest:
            with multiprocessing.get_context("fork").Pool(min(max_workers, len(rest))) as pool:
                values += pool.imap(function, rest, chunksize=max(1, len(rest) // (max_workers * 64)))
                pool.close()
                pool.join()
        _known[key] = values
    return list(_known[key])
