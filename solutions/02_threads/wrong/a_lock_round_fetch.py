# fails: test_waiting_is_shared
# mistake: a lock is held while a page is waited for
import threading
from concurrent.futures import ThreadPoolExecutor


def fetch_all(fetch, urls, max_workers):
    lock = threading.Lock()

    def alone(url):
        with lock:
            return fetch(url)

    with ThreadPoolExecutor(max_workers) as pool:
        return list(pool.map(alone, urls))
