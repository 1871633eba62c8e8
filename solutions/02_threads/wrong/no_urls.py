# fails: test_small_cases
# mistake: no urls: a pool of no workers is an error
from concurrent.futures import ThreadPoolExecutor


def fetch_all(fetch, urls, max_workers):
    with ThreadPoolExecutor(min(max_workers, len(urls))) as pool:
        return list(pool.map(fetch, urls))
