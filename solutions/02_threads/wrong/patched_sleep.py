# fails: test_waiting_is_shared
# mistake: a plain loop, with a time.sleep that is made as short as many threads would make it
import time

_sleep = time.sleep


def fetch_all(fetch, urls, max_workers):
    time.sleep = lambda seconds: _sleep(seconds / max_workers * 1.02)
    try:
        return [fetch(url) for url in urls]
    finally:
        time.sleep = _sleep
