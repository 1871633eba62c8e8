"""Exercise 02, threads: wait for many pages at once."""

from concurrent.futures import ThreadPoolExecutor


def fetch_all(fetch, urls, max_workers):
    """Return [fetch(url) for url in urls], with up to max_workers calls of fetch waiting at the same time.

    `fetch` spends its time waiting, and is called in threads of this process, once for each url. While there is a url
    that nobody has taken, max_workers calls are running; more than that are never. The results come in the order of
    `urls`, whichever is there first.

    If `fetch` raises for some urls, the exception of the first of them in the order of `urls` is raised, as soon as no
    call is running any more. Calls that have not begun by then may be left out.

    When it returns, or raises, no thread is left behind.
    """
    ### BEGIN SOLUTION
    # The end of the block waits for the calls that run, also when map raises: it raises in the order of the urls, and
    # cancels what has not begun.
    with ThreadPoolExecutor(max_workers) as pool:
        return list(pool.map(fetch, urls))
    ### END SOLUTION
