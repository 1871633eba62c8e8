"""A short-lived thread per url, but none is started before a Semaphore(max_workers) has a free place."""

import threading


class Call(threading.Thread):
    def __init__(self, fetch, url, places):
        super().__init__()
        self.fetch, self.url, self.places = fetch, url, places
        self.result = None
        self.error = None

    def run(self):
        try:
            self.result = self.fetch(self.url)
        except BaseException as error:
            self.error = error
        finally:
            self.places.release()


def fetch_all(fetch, urls, max_workers):
    places = threading.Semaphore(max_workers)
    calls = []
    try:
        for url in urls:
            places.acquire()
            call = Call(fetch, url, places)
            call.start()
            calls.append(call)
    finally:
        for call in calls:
            call.join()

    for call in calls:
        if call.error is not None:
            raise call.error
    return [call.result for call in calls]
