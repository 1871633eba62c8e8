# fails: test_never_more_calls_than_max_workers
# mistake: max_workers threads and the caller fetch: one more than asked for
import threading


def fetch_all(fetch, urls, max_workers):
    todo = iter(range(len(urls)))
    lock = threading.Lock()
    outcomes = [None] * len(urls)

    def work():
        while True:
            with lock:
                index = next(todo, None)
            if index is None:
                return
            try:
                outcomes[index] = (fetch(urls[index]), None)
            except Exception as error:
                outcomes[index] = (None, error)

    threads = [threading.Thread(target=work) for _ in range(max_workers)]
    for thread in threads:
        thread.start()
    work()
    for thread in threads:
        thread.join()
    for _, error in outcomes:
        if error is not None:
            raise error
    return [page for page, _ in outcomes]
