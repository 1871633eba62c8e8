# fails: test_never_more_calls_than_max_workers
# mistake: a thread for every url, whatever max_workers says
from concurrent.futures import ThreadPoolExecutor


def fetch_all(fetch, urls, max_workers):
    with ThreadPoolExecutor(max(1, len(urls))) as pool:
        return list(pool.map(fetch, urls))
