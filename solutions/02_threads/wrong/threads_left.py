# fails: test_no_thread_is_left
# mistake: daemon threads that wait for more work, for ever
import queue
import threading


def fetch_all(fetch, urls, max_workers):
    todo = queue.Queue()
    outcomes = [None] * len(urls)

    def work():
        while True:
            index, url = todo.get()
            try:
                outcomes[index] = (fetch(url), None)
            except Exception as error:
                outcomes[index] = (None, error)
            todo.task_done()

    for numbered in enumerate(urls):
        todo.put(numbered)
    for _ in range(max_workers):
        threading.Thread(target=work, daemon=True).start()
    todo.join()
    for _, error in outcomes:
        if error is not None:
            raise error
    return [page for page, _ in outcomes]
