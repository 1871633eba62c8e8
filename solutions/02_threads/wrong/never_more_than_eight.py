# fails: test_small_cases
# mistake: eight threads at most, whatever max_workers says
from concurrent.futures import ThreadPoolExecutor


def fetch_all(fetch, urls, max_workers):
    with ThreadPoolExecutor(min(max_workers, 8)) as pool:
        return list(pool.map(fetch, urls))
