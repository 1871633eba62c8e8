"""A timer interrupts the loop, also within a long item: other processes take what is left, and the caller goes on from its end."""

import multiprocessing
import signal
from concurrent.futures import ProcessPoolExecutor


def _compute(function, part):
    try:
        return [function(item) for item in part], None
    except Exception as error:
        return [], error


def adaptive_map(function, items, max_workers):
    items = list(items)
    if max_workers == 1:
        return [function(item) for item in items]
    values, parts, futures, pools, own = [], [], [], [], [len(items)]

    def start(*_):
        own[0] = len(values) + 1  # the one that it interrupts
        rest = items[own[0] :]
        if rest:
            pool = ProcessPoolExecutor(max_workers - 1, multiprocessing.get_context("fork"))
            size = max(1, len(rest) // (max_workers * 64))
            pools.append(pool)
            parts.extend(rest[at : at + size] for at in range(0, len(rest), size))
            futures.extend(pool.submit(_compute, function, part) for part in parts)

    before = signal.signal(signal.SIGVTALRM, start)
    signal.setitimer(signal.ITIMER_VIRTUAL, 0.02)
    try:
        while len(values) < min(own[0], len(items)):
            values.append(function(items[len(values)]))
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        outcomes = [None] * len(parts)
        for index in reversed(range(len(parts))):
            if futures[index].cancel():
                outcomes[index] = _compute(function, parts[index])
        for index, future in enumerate(futures):
            part, error = outcomes[index] or future.result()
            if error is not None:
                raise error
            values += part
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
        for pool in pools:
            pool.shutdown()
    return values
