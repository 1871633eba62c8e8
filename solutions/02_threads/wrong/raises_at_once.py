# fails: test_no_call_runs_when_it_raises
# mistake: the exception is raised while other calls are still running
from concurrent.futures import ThreadPoolExecutor


def fetch_all(fetch, urls, max_workers):
    pool = ThreadPoolExecutor(max_workers)
    try:
        pages = list(pool.map(fetch, urls))
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
    return pages
