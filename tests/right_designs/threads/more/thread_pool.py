"""multiprocessing.pool.ThreadPool, a url at a time."""

from multiprocessing.pool import ThreadPool


def fetch_all(fetch, urls, max_workers):
    pool = ThreadPool(max_workers)
    try:
        return list(pool.imap(fetch, urls))
    finally:
        pool.close()
        pool.join()
