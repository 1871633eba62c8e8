# fails: test_uneven_work_is_fast
# mistake: slices that shrink, but the first one has as many items as an equal share: with the dearest first it costs far more
from concurrent.futures import ProcessPoolExecutor


def _compute(function, part):
    return [function(item) for item in part]


def parallel_map(function, items, n_workers):
    items = list(items)
    parts = []
    begin = 0
    while begin < len(items):
        size = max(1, (len(items) - begin) // n_workers)
        parts.append(items[begin : begin + size])
        begin += size
    with ProcessPoolExecutor(n_workers) as pool:
        futures = [pool.submit(_compute, function, part) for part in parts]
        return [value for future in futures for value in future.result()]
