"""Threads and a queue, by hand."""

import queue
import threading


def fetch_all(fetch, urls, max_workers):
    todo = queue.Queue()
    for numbered in enumerate(urls):
        todo.put(numbered)
    pages, errors = {}, {}

    def work():
        while not errors:
            try:
                index, url = todo.get_nowait()
            except queue.Empty:
                return
            try:
                pages[index] = fetch(url)
            except Exception as error:
                errors[index] = error

    threads = [threading.Thread(target=work) for _ in range(min(max_workers, len(urls)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[min(errors)]
    return [pages[index] for index in range(len(urls))]
