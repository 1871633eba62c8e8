"""A Board deals the urls out in order under a lock and stops after the first failure: all earlier urls are out by then."""

import logging
import threading

logger = logging.getLogger("fetch_all")


class Board:
    __slots__ = ("_lock", "_urls", "_next", "results", "failure")

    def __init__(self, urls):
        self._lock = threading.Lock()
        self._urls = urls
        self._next = 0
        self.results = [None] * len(urls)
        self.failure = None  # (index, exception) with the lowest index so far

    def take(self):
        with self._lock:
            if self.failure is not None or self._next == len(self._urls):
                return None
            index = self._next
            self._next += 1
            return index, self._urls[index]

    def succeed(self, index, value):
        self.results[index] = value

    def fail(self, index, error):
        logger.debug("url number %d failed: %r", index, error)
        with self._lock:
            if self.failure is None or index < self.failure[0]:
                self.failure = index, error


class Worker(threading.Thread):
    def __init__(self, board, fetch):
        super().__init__(name="fetch_all worker")
        self._board = board
        self._fetch = fetch

    def run(self):
        while (task := self._board.take()) is not None:
            index, url = task
            try:
                value = self._fetch(url)
            except BaseException as error:
                self._board.fail(index, error)
            else:
                self._board.succeed(index, value)


def fetch_all(fetch, urls, max_workers):
    urls = list(urls)
    board = Board(urls)
    running = []
    try:
        while len(running) < min(max_workers, len(urls)):
            worker = Worker(board, fetch)
            worker.start()
            running.append(worker)
    finally:
        for worker in running:
            worker.join()
    if board.failure is not None:
        raise board.failure[1]
    return board.results
