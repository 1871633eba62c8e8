"""n_workers - 1 forked helpers and the caller itself share a counter in anonymous mmap memory under a Lock."""

import mmap
import multiprocessing
import struct
import time


class Tickets:
    """The next index that nobody has claimed yet."""

    __slots__ = ("memory", "lock", "total", "parties")

    def __init__(self, context, total, parties):
        self.memory = mmap.mmap(-1, 8)
        self.lock = context.Lock()
        self.total = total
        self.parties = parties

    def claim(self, wanted):
        with self.lock:
            (low,) = struct.unpack_from("q", self.memory)
            left = self.total - low
            if left <= 0:
                return None
            high = low + max(1, min(wanted, left // (2 * self.parties)))
            struct.pack_into("q", self.memory, 0, high)
            return low, high

    def no_more(self):
        with self.lock:
            struct.pack_into("q", self.memory, 0, self.total)


def compute(function, items, tickets):
    parts, wanted = {}, 1
    while (ticket := tickets.claim(wanted)) is not None:
        low, high = ticket
        start = time.perf_counter()
        try:
            parts[low] = [function(items[i]) for i in range(low, high)]
        except BaseException as error:
            tickets.no_more()
            return parts, (low, error)
        took = time.perf_counter() - start
        wanted = wanted * 2 if took < 0.001 else max(1, wanted // 2) if took > 0.004 else wanted
    return parts, None


def helper(function, items, tickets, pipe):
    pipe.send(compute(function, items, tickets))
    pipe.close()


def parallel_map(function, items, n_workers):
    items = list(items)
    if n_workers <= 1 or len(items) <= 1:
        return [function(x) for x in items]
    context = multiprocessing.get_context("fork")
    parties = min(n_workers, len(items))
    tickets = Tickets(context, len(items), parties)
    helpers = []
    try:
        for _ in range(parties - 1):
            mine, its = context.Pipe(duplex=False)
            process = context.Process(target=helper, args=(function, items, tickets, its))
            process.start()
            its.close()
            helpers.append((process, mine))
        parts, failure = compute(function, items, tickets)
        failures = [failure] if failure else []
        for _, pipe in helpers:
            more, failure = pipe.recv()
            parts.update(more)
            if failure:
                failures.append(failure)
        if failures:
            failures.sort(key=lambda pair: pair[0])
            raise failures[0][1]
        result = []
        for low in sorted(parts):
            result.extend(parts[low])
        return result
    finally:
        for process, pipe in helpers:
            pipe.close()
            process.kill()
            process.join()
            process.close()
        tickets.memory.close()
