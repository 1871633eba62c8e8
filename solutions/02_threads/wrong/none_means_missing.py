# fails: test_small_cases
# mistake: a page with nothing in it counts as one that is missing
from concurrent.futures import ThreadPoolExecutor


def fetch_all(fetch, urls, max_workers):
    with ThreadPoolExecutor(max_workers) as pool:
        return [page for page in pool.map(fetch, urls) if page]
