# fails: test_small_cases
# mistake: pages are kept in a dictionary by url: a url that comes twice is lost
from concurrent.futures import ThreadPoolExecutor


def fetch_all(fetch, urls, max_workers):
    with ThreadPoolExecutor(max_workers) as pool:
        futures = {url: pool.submit(fetch, url) for url in urls}
        pages = {url: future.result() for url, future in futures.items()}
    return list(pages.values())
