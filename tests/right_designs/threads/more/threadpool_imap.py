"""multiprocessing.pool.ThreadPool with imap (one url per task), closed and joined; outcomes are dataclasses, so nothing raises inside the pool."""

from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.pool import ThreadPool
from typing import Any, Optional


@dataclass(frozen=True)
class Outcome:
    value: Any = None
    error: Optional[BaseException] = None

    def get(self):
        if self.error is not None:
            raise self.error
        return self.value


def attempt(fetch, url):
    try:
        return Outcome(value=fetch(url))
    except BaseException as error:  # also SystemExit, which would end a pool's worker
        return Outcome(error=error)


@contextmanager
def joined_pool(size):
    # `with ThreadPool()` would terminate() without waiting for its threads
    pool = ThreadPool(size)
    try:
        yield pool
    finally:
        pool.close()
        pool.join()


def fetch_all(fetch, urls, max_workers):
    urls = list(urls)
    if not urls:
        return []
    with joined_pool(min(max_workers, len(urls))) as pool:
        outcomes = list(pool.imap(partial(attempt, fetch), urls, chunksize=1))
    return [outcome.get() for outcome in outcomes]
