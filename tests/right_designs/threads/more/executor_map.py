"""ThreadPoolExecutor.map in a with block over (value, error) pairs; leaving the block waits for every call, then the first error is raised."""

from concurrent.futures import ThreadPoolExecutor


def fetch_all(fetch, urls, max_workers):
    # pool.map(fetch, urls) alone would turn a StopIteration from fetch into a RuntimeError
    def attempt(url):
        try:
            return fetch(url), None
        except BaseException as error:
            return None, error

    with ThreadPoolExecutor(max_workers) as pool:
        pairs = list(pool.map(attempt, urls))
    for _, error in pairs:
        if error is not None:
            raise error
    return [value for value, _ in pairs]
