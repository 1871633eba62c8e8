"""One iterator over the urls, shared under a lock by max_workers - 1 helper threads and the calling thread itself."""

import threading


def fetch_all(fetch, urls, max_workers):
    urls = list(urls)
    numbered = enumerate(urls)
    lock = threading.Lock()
    done, failed = {}, {}

    def share():
        while True:
            with lock:
                item = next(numbered, None)
            if item is None:
                return
            yield item

    def work():
        for number, url in share():
            try:
                done[number] = fetch(url)
            except BaseException as error:
                failed[number] = error

    helpers = [threading.Thread(target=work) for _ in range(min(max_workers, len(urls)) - 1)]
    started = []
    try:
        for helper in helpers:
            helper.start()
            started.append(helper)
        work()
    finally:
        for helper in started:
            helper.join()

    if failed:
        raise failed[min(failed)]
    return [done[number] for number in range(len(urls))]
