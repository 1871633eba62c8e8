# fails: test_the_first_failing_url_is_raised
# mistake: the failure that comes first in time is raised
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait


def fetch_all(fetch, urls, max_workers):
    with ThreadPoolExecutor(max_workers) as pool:
        futures = [pool.submit(fetch, url) for url in urls]
        done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        for future in done:
            if future.exception() is not None:
                raise future.exception()
    return [future.result() for future in futures]
