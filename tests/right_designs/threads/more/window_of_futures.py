"""At most max_workers futures are submitted and not done at any time (wait FIRST_COMPLETED), so the urls are consumed lazily."""

from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait


def submitted(pool, fetch, urls, limit):
    """Generator of futures in the order of urls."""
    in_flight = set()
    for url in urls:
        if len(in_flight) >= limit:
            _, in_flight = wait(in_flight, return_when=FIRST_COMPLETED)
        future = pool.submit(fetch, url)
        in_flight.add(future)
        yield future


def fetch_all(fetch, urls, max_workers):
    with ThreadPoolExecutor(max_workers) as pool:
        futures = list(submitted(pool, fetch, urls, max_workers))
    # the pool is shut down here: every future is done
    return [future.result() for future in futures]
