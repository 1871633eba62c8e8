"""Runs beside a submission of exercise 02: pages that take their time, and pages that come one by one when they are told to."""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

#: How long a call that never comes is waited for; only wrong solutions make anyone wait to the end.
PATIENCE = 2.0
#: When no thread has wanted a core for so long in all, no further call is on its way.
QUIET = 0.05

_TASKS = Path("/proc/self/task")
_HAS_PROC = Path("/proc/self/schedstat").exists()


# -- pages that take their time ---------------------------------------------------------------------------


def page(url: str) -> str:
    """The page at a url, which says for how many milliseconds it is to be waited for: .../NAME/MILLISECONDS."""
    time.sleep(waiting_seconds(url))
    return f"page of {url}"


def waiting_seconds(url: str) -> float:
    return int(url.rpartition("/")[2]) / 1000


def page_or_error(url: str) -> str:
    """As `page`, and an error where the url has "gone" in it."""
    text = page(url)
    if "gone" in url:
        raise ConnectionError(f"no answer from {url}")
    return text


def expected(urls: Sequence[str]) -> list[str]:
    """What the pages should be; runs no code of a submission."""
    return [f"page of {url}" for url in urls]


def fetch_twice(urls: list[str], max_workers: int) -> dict[str, Any]:
    """`fetch_all` twice with the same urls, of pages that say how often they were fetched before."""
    import threads

    lock, calls = threading.Lock(), dict.fromkeys(urls, 0)

    def fetch(url: str) -> int:
        with lock:
            calls[url] += 1
            return calls[url]

    results = [threads.fetch_all(fetch, urls, max_workers) for _ in range(2)]
    return {"first": results[0], "second": results[1], "calls": list(calls.values())}


def fetch_odd_pages(n: int, max_workers: int) -> list[str]:
    """`fetch_all` of pages that code may take for something else: "", None, 0, an exception, and again; how they print."""
    import threads

    odd = "", None, 0, LookupError("the page of an exception")
    return [repr(page) for page in threads.fetch_all(lambda number: odd[number % 4], list(range(n)), max_workers)]


# -- pages that come when they are told to ----------------------------------------------------------------


class Site:
    """Its pages come one at a time, each when as many calls wait as there should be: no sleeping and hoping."""

    def __init__(self, urls: Sequence[str], max_workers: int, failing: dict[str, str], order: Sequence[int]) -> None:
        self._urls = urls
        self._max_workers = max_workers
        self._failing = failing
        #: The numbers of the urls in the order in which they should come; the others come last call first.
        self._order = list(order)
        self._changed = threading.Condition()
        #: Numbers of the urls whose calls wait, in the order in which they came; and those whose page is there.
        self._waiting: list[int] = []
        self._let_go: set[int] = set()
        self._failed = self._open = False
        self.done = self.most = 0
        #: How many calls waited in vain for company, and how many there should have been.
        self.stall: tuple[int, int] | None = None

    def fetch(self, url: str) -> str:
        """What `fetch_all` calls."""
        number = self._urls.index(url)
        with self._changed:
            self._waiting.append(number)
            self.most = max(self.most, len(self._waiting))
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._open or number in self._let_go, 5 * PATIENCE)
            self._waiting.remove(number)
            self.done += 1
            self._changed.notify_all()
        if url in self._failing:
            raise _error(self._failing[url], url)
        return f"page of {url}"

    def running(self) -> int:
        """How many calls are running."""
        with self._changed:
            return len(self._waiting)

    def direct(self, quiet: float) -> None:
        """Let the pages come one by one; to be run in a thread of its own. Ends when all calls may go on.

        Before each one, no thread has wanted a core for `quiet` seconds: all that could happen has happened.
        """
        while not self._open:
            if not self._gathered():
                break
            _wait_until_quiet(quiet, lambda: self._open)
            with self._changed:
                if not self._waiting:
                    break
                number = next((one for one in self._order if one in self._waiting), self._waiting[-1])
                self._failed |= self._urls[number] in self._failing
                self._let_go.add(number)
                self._changed.notify_all()
                self._changed.wait_for(lambda number=number: number not in self._waiting, PATIENCE)  # type: ignore[misc]
        self.open()

    def open(self) -> None:
        """From here on every page comes at once."""
        with self._changed:
            self._open = True
            self._changed.notify_all()

    def _gathered(self) -> bool:
        """Wait until as many calls wait as there should be. When one has failed, no more need to come."""

        def wanted() -> int:
            return 0 if self._failed else min(self._max_workers, len(self._urls) - self.done)

        with self._changed:
            if not self._changed.wait_for(lambda: self._open or len(self._waiting) >= wanted(), PATIENCE):
                self.stall = len(self._waiting), wanted()
        return not self._open and self.stall is None


def directed(
    urls: list[str],
    max_workers: int,
    failing: dict[str, str] | None = None,
    order: Sequence[int] = (),
    quiet: float = QUIET,
) -> dict[str, Any]:
    """`fetch_all` of pages that come one by one: what it returned or raised, and what the site saw."""
    import threads

    site = Site(urls, max_workers, failing or {}, order)
    director = threading.Thread(target=site.direct, args=(quiet,))
    director.start()
    seen: dict[str, Any] = {"pages": None, "raised": "", "running": 0}
    try:
        seen["pages"] = threads.fetch_all(site.fetch, urls, max_workers)
    except Exception as error:
        seen["raised"] = f"{type(error).__name__}: {error}"
    finally:
        seen["running"] = site.running()
        site.open()
        director.join()
    return seen | {"most": site.most, "stall": site.stall}


class NotFoundError(Exception):
    """An exception class of one's own, which takes two arguments and has a text of its own."""

    def __init__(self, url: str, status: int) -> None:
        super().__init__(url, status)
        self.url, self.status = url, status

    def __str__(self) -> str:
        return f"{self.status} for {self.url}"


def _error(kind: str, url: str) -> Exception:
    if kind == "NotFoundError":
        return NotFoundError(url, 404)
    return {"ConnectionError": ConnectionError, "TimeoutError": TimeoutError}[kind](f"no answer from {url}")


def _wait_until_quiet(quiet: float, over: Callable[[], bool]) -> None:
    """Wait until no thread of this process has wanted a core for a while: no call is on its way then.

    The time for which one runs or waits for a core does not count, so that a loaded machine changes nothing.
    """
    begin, before = time.monotonic(), _seconds_wanted()
    while not over() and time.monotonic() - begin < PATIENCE:
        if time.monotonic() - begin - (_seconds_wanted() - before) > quiet:
            return
        time.sleep(0.005)


def _seconds_wanted() -> float:
    """For how long the threads of this process have run or have waited for a core."""
    if not _HAS_PROC:
        return 0.0
    wanted = 0
    for task in _TASKS.iterdir():
        try:
            running, waiting, _ = (task / "schedstat").read_text().split()
        except OSError:  # it has ended meanwhile
            continue
        wanted += int(running) + int(waiting)
    return wanted / 1e9
