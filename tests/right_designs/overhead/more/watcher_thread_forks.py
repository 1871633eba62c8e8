"""The caller computes from the start; a watcher thread wakes every few ms and forks helpers (mmap counter, Lock) once it pays."""

from __future__ import annotations

import mmap
import multiprocessing
import multiprocessing.connection
import multiprocessing.popen_fork
import multiprocessing.synchronize
import pickle
import threading
import time
from contextlib import contextmanager
from typing import Any, Callable, Iterable, NamedTuple, Optional

ctx = multiprocessing.get_context("fork")


class Failure(NamedTuple):
    index: int
    error: BaseException


class Progress:
    """What the watcher may know of the work in the caller."""

    __slots__ = ("last", "since", "length")

    def __init__(self) -> None:
        self.last: list = []
        self.since = time.perf_counter()
        self.length = 1


class Line:
    __slots__ = ("words", "lock", "total", "parties")

    def __init__(self, total: int, parties: int) -> None:
        self.words = memoryview(mmap.mmap(-1, 8)).cast("q")
        self.lock = ctx.Lock()
        self.total = total
        self.parties = parties

    def take(self, wanted: int) -> range:
        with self.lock:
            low = self.words[0]
            high = min(self.total, low + max(1, min(wanted, (self.total - low) // (2 * self.parties))))
            self.words[0] = high
        return range(low, high)

    def close(self) -> None:
        with self.lock:
            self.words[0] = self.total

    @property
    def left(self) -> int:
        return self.total - self.words[0]


def drain(function: Callable, items: list, line: Line, progress: Progress) -> tuple[dict[int, list], Optional[Failure]]:
    pieces: dict[int, list] = {}
    wanted, home, end = 1, -1, -1  # the piece that ends at `end` began at `home`
    while span := line.take(wanted):
        progress.length = len(span)
        start = progress.since = time.perf_counter()
        try:
            values = [function(x) for x in items[span.start : span.stop]]
            if span.start == end:
                pieces[home].extend(values)
            else:
                home, pieces[span.start] = span.start, values
            end = span.stop
            progress.last = values
        except BaseException as error:
            line.close()
            return pieces, Failure(span.start, error)
        took = time.perf_counter() - start
        if took < 0.001:
            wanted *= 2
        elif took > 0.004:
            wanted = max(1, wanted // 2)
    return pieces, None


def helper_main(function, items, line, pipe) -> None:
    pipe.send(drain(function, items, line, Progress()))


def sending_cost(values: list) -> float:
    """Seconds per value to pickle and unpickle, from one value and, where that is quick, from a hundred."""
    cost = 0.0
    for sample in (values[-1:], values[-100:]) if values else ():
        start = time.thread_time()
        try:
            pickle.loads(pickle.dumps(sample))
        except Exception:
            return float("inf")
        took = time.thread_time() - start
        cost = took / len(sample)
        if took > 0.0003:
            break
    return cost


@contextmanager
def watched(function, items, line: Line, progress: Progress):
    """Yields the list of helpers, which a watcher fills while the body runs."""
    helpers: list[tuple[Any, Any]] = []
    finished = threading.Event()
    began = time.perf_counter()

    def watch() -> None:
        convinced = False  # one look may be an accident of the scheduler: it takes two in a row
        while not finished.wait(0.007):
            left = line.left
            if left == 0:
                return
            now = time.perf_counter()
            started = line.total - left
            cost = (now - began) / max(started, 1)
            if now - progress.since > 0.02 and progress.length <= 8:
                cost = max(cost, 2 * (now - progress.since) / progress.length)
            if left * (1 - 1 / line.parties) * (cost - 1e-6 - 2 * sending_cost(progress.last)) < 0.020:
                convinced = False
                continue
            if not convinced:
                convinced = True
                continue
            for _ in range(min(line.parties - 1, left)):
                ours, theirs = ctx.Pipe(duplex=False)
                process = ctx.Process(target=helper_main, args=(function, items, line, theirs))
                process.start()
                theirs.close()
                helpers.append((process, ours))
            return

    watcher = threading.Thread(target=watch, name="watcher")
    watcher.start()

    def settle() -> list:
        finished.set()
        watcher.join()
        return helpers

    try:
        yield settle
    finally:
        line.close()
        for process, pipe in settle():
            pipe.close()
            process.kill()
            process.join()
            process.close()


def adaptive_map(function: Callable[[Any], Any], items: Iterable, max_workers: int) -> list:
    items = items if isinstance(items, (list, tuple)) else list(items)
    parties = min(max_workers, len(items))
    if parties <= 1:
        return [function(x) for x in items]
    line, progress = Line(len(items), parties), Progress()
    with watched(function, items, line, progress) as settle:
        pieces, failure = drain(function, items, line, progress)
        failures = [failure]
        for _, pipe in settle():
            more, failure = pipe.recv()
            pieces.update(more)
            failures.append(failure)
    failed = [f for f in failures if f is not None]
    if failed:
        raise min(failed, key=lambda f: f.index).error
    first, *later = sorted(pieces)
    result = pieces[first]
    for low in later:
        result += pieces[low]
    return result
