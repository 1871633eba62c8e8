# fails: test_no_thread_is_left
# mistake: a pool kept in the module for the next call
from concurrent.futures import ThreadPoolExecutor, wait

_pools = {}


def fetch_all(fetch, urls, max_workers):
    if max_workers not in _pools:
        _pools[max_workers] = ThreadPoolExecutor(max_workers)
    futures = [_pools[max_workers].submit(fetch, url) for url in urls]
    wait(futures)
    return [future.result() for future in futures]
