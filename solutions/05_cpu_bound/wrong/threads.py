# fails: test_processes_compute_and_no_more_than_asked
# mistake: threads: only one of them computes at a time
from concurrent.futures import ThreadPoolExecutor


def parallel_map(function, items, n_workers):
    with ThreadPoolExecutor(n_workers) as pool:
        return list(pool.map(function, items))
