"""max_workers - 1 threads, and the caller."""

import threading


def fetch_all(fetch, urls, max_workers):
    lock = threading.Lock()
    todo = list(enumerate(urls))[::-1]
    outcomes = {}

    def work():
        while True:
            with lock:
                if not todo:
                    return
                index, url = todo.pop()
            try:
                outcomes[index] = fetch(url), None
            except Exception as error:
                outcomes[index] = None, error

    threads = [threading.Thread(target=work) for _ in range(max_workers - 1)]
    [thread.start() for thread in threads]
    work()
    [thread.join() for thread in threads]
    for index in range(len(urls)):
        if outcomes[index][1]:
            raise outcomes[index][1]
    return [outcomes[index][0] for index in range(len(urls))]
