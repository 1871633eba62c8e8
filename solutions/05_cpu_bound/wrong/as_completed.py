# fails: test_values_come_in_order
# mistake: pieces are put together in the order in which their futures complete
from concurrent.futures import ProcessPoolExecutor, as_completed


def _compute(function, part):
    return [function(item) for item in part]


def parallel_map(function, items, n_workers):
    items = list(items)
    size = max(1, len(items) // (n_workers * 32))
    values = []
    with ProcessPoolExecutor(n_workers) as pool:
        futures = [pool.submit(_compute, function, items[at : at + size]) for at in range(0, len(items), size)]
        for future in as_completed(futures):
            values.extend(future.result())
    return values
