# fails: test_values_come_in_order
# mistake: len(items) // n_workers items for each worker: the remainder is lost
from concurrent.futures import ProcessPoolExecutor


def _compute(function, part):
    return [function(item) for item in part]


def parallel_map(function, items, n_workers):
    items = list(items)
    size = len(items) // n_workers
    with ProcessPoolExecutor(n_workers) as pool:
        futures = [pool.submit(_compute, function, items[rank * size : (rank + 1) * size]) for rank in range(n_workers)]
        return [value for future in futures for value in future.result()]
