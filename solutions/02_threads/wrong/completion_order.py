# fails: test_results_come_in_the_order_of_the_urls
# mistake: pages are listed as they arrive
from concurrent.futures import ThreadPoolExecutor, as_completed


def fetch_all(fetch, urls, max_workers):
    with ThreadPoolExecutor(max_workers) as pool:
        return [future.result() for future in as_completed([pool.submit(fetch, url) for url in urls])]
