"""A thread for every url, of which a semaphore lets max_workers fetch at the same time; all urls are fetched, come what may."""

import threading


def fetch_all(fetch, urls, max_workers):
    free = threading.Semaphore(max_workers)
    outcomes = [None] * len(urls)

    def work(index):
        with free:
            try:
                outcomes[index] = (True, fetch(urls[index]))
            except BaseException as error:
                outcomes[index] = (False, error)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(urls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for right, value in outcomes:
        if not right:
            raise value
    return [value for _, value in outcomes]
