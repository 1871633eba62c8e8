"""ThreadPoolExecutor(1) begins; when it pays a ProcessPoolExecutor(max_workers - 1) joins in on the inherited shared counter."""

import concurrent.futures.process
import multiprocessing
import multiprocessing.popen_fork
import multiprocessing.sharedctypes
import pickle
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, TimeoutError
from contextlib import ExitStack

_CONTEXT = multiprocessing.get_context("fork")
_mine = None  # the work of this worker process


def append(pieces, low, values):
    """Neighbouring pieces grow together, so that work done by one alone needs no joining."""
    if pieces and pieces[-1][0] + len(pieces[-1][1]) == low:
        pieces[-1][1].extend(values)
    else:
        pieces.append((low, values))


class Work:
    def __init__(self, function, items, parties):
        self.function = function
        self.items = items
        self.parties = parties
        self.counter = _CONTEXT.Value("q", 0)
        self.began = self.slice_began = time.perf_counter()
        self.slice_length = 1
        self.newest = []

    @property
    def left(self):
        return len(self.items) - self.counter.value

    def drain(self):
        pieces, wanted = [], 1
        while True:
            with self.counter.get_lock():
                low, left = self.counter.value, self.left
                if left == 0:
                    return pieces, None
                high = low + max(1, min(wanted, left // (2 * self.parties)))
                self.counter.value = high
            self.slice_length, self.slice_began = high - low, time.perf_counter()
            start = self.slice_began
            try:
                values = [self.function(x) for x in self.items[low:high]]
            except BaseException as error:
                self.counter.value = len(self.items)
                return pieces, (low, error)
            append(pieces, low, values)
            self.newest = values
            took = time.perf_counter() - start
            if took < 0.001:
                wanted *= 2
            elif took > 0.004:
                wanted = max(1, wanted // 2)

    def worth_processes(self):
        left, now = self.left, time.perf_counter()
        if left == 0:
            return False
        per_item = (now - self.began) / max(1, len(self.items) - left)
        if now - self.slice_began > 0.02 and self.slice_length <= 8:
            per_item = max(per_item, 2 * (now - self.slice_began) / self.slice_length)
        return left * (1 - 1 / self.parties) * (per_item - 1e-6 - 2 * self.transfer()) > 0.020

    def transfer(self):
        newest = self.newest
        per_value = 0.0
        for sample in (newest[-1:], newest[-150:]):
            if not sample:
                break
            start = time.thread_time()
            try:
                pickle.loads(pickle.dumps(sample))
            except Exception:
                return float("inf")
            spent = time.thread_time() - start
            per_value = spent / len(sample)
            if spent > 0.0003:
                break
        return per_value


def _adopt(work):
    global _mine
    _mine = work


def _drain():
    return _mine.drain()


def adaptive_map(function, items, max_workers):
    items = items if isinstance(items, (list, tuple)) else list(items)
    parties = min(max_workers, len(items))
    if parties <= 1:
        return [function(x) for x in items]
    work = Work(function, items, parties)
    with ExitStack() as stack:
        thread = stack.enter_context(ThreadPoolExecutor(1))
        futures = [thread.submit(work.drain)]
        looks = 0
        while True:
            try:
                futures[0].result(timeout=0.007)
                break
            except TimeoutError:
                pass
            looks = looks + 1 if work.worth_processes() else 0
            if looks == 2:
                helpers = min(parties - 1, work.left)
                if helpers:
                    executor = stack.enter_context(ProcessPoolExecutor(helpers, _CONTEXT, _adopt, (work,)))
                    futures += [executor.submit(_drain) for _ in range(helpers)]
                break
        answers = [future.result() for future in futures]
    failures = [failure for _, failure in answers if failure]
    if failures:
        raise min(failures, key=lambda f: f[0])[1]
    pieces = sorted((piece for part, _ in answers for piece in part), key=lambda piece: piece[0])
    result = pieces[0][1]
    for _, values in pieces[1:]:
        result.extend(values)
    return result
