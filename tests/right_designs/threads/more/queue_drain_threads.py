"""Bare threads that empty a filled queue with get_nowait and write into their places of two lists."""

import queue
import threading


def fetch_all(fetch, urls, max_workers):
    urls = list(urls)
    results = [None] * len(urls)
    errors = [None] * len(urls)

    todo = queue.Queue()
    for number, url in enumerate(urls):
        todo.put((number, url))

    def worker():
        while True:
            try:
                number, url = todo.get_nowait()
            except queue.Empty:
                return
            try:
                results[number] = fetch(url)
            except BaseException as error:
                errors[number] = error

    threads = []
    try:
        for _ in range(min(max_workers, len(urls))):
            thread = threading.Thread(target=worker)
            thread.start()
            threads.append(thread)
    finally:
        for thread in threads:
            thread.join()

    for error in errors:
        if error is not None:
            raise error
    return results
