"""Futures that are looked at as they end; what has not begun is cancelled after a failure."""

from concurrent.futures import ThreadPoolExecutor, as_completed


def fetch_all(fetch, urls, max_workers):
    with ThreadPoolExecutor(max_workers=max_workers) as pool:
        futures = {pool.submit(fetch, url): index for index, url in enumerate(urls)}
        for future in as_completed(futures):
            if future.exception():
                for other in futures:
                    other.cancel()
                break
    return [future.result() for future in futures if not future.cancelled()]
