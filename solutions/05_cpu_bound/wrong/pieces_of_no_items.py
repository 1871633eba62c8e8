# fails: test_small_cases
# mistake: fewer items than workers: pieces of len(items) // n_workers = 0 items
from concurrent.futures import ProcessPoolExecutor


def _compute(function, part):
    return [function(item) for item in part]


def parallel_map(function, items, n_workers):
    items = list(items)
    if not items:
        return []
    size = min(len(items) // n_workers, 1 + len(items) // (n_workers * 32))
    with ProcessPoolExecutor(n_workers) as pool:
        futures = [pool.submit(_compute, function, items[at : at + size]) for at in range(0, len(items), size)]
        return [value for future in futures for value in future.result()]
