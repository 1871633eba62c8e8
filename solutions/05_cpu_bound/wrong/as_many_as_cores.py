# fails: test_processes_compute_and_no_more_than_asked
# mistake: n_workers is not passed on: the pool is as large as the machine has cores
import multiprocessing


def parallel_map(function, items, n_workers):
    items = list(items)
    if not items:
        return []
    size = max(1, len(items) // (n_workers * 32))
    with multiprocessing.Pool() as pool:
        return list(pool.imap(function, items, chunksize=size))
