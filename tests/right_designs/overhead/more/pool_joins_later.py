"""The caller's side runs in a thread; a fork Pool of max_workers - 1 is opened only if the measured rest is worth it."""

import multiprocessing
import multiprocessing.pool
import multiprocessing.popen_fork
import multiprocessing.sharedctypes
import pickle
import threading
import time

CTX = multiprocessing.get_context("fork")
shared = None


def install(*state):
    global shared
    shared = state


def drain_here(_):
    pieces, failures = [], []
    drain(*shared, pieces, failures, [0.0, 1])
    return pieces, failures


def append(pieces, low, values):
    """Neighbouring pieces grow together, so that work done by one alone needs no joining."""
    if pieces and pieces[-1][0] + len(pieces[-1][1]) == low:
        pieces[-1][1].extend(values)
    else:
        pieces.append((low, values))


def drain(function, items, counter, parties, pieces, failures, current):
    """Claim and compute until nothing is left; everything goes into the lists that were given."""
    wanted, total = 1, len(items)
    while True:
        with counter.get_lock():
            low = counter.value
            if low == total:
                return
            high = low + max(1, min(wanted, (total - low) // (2 * parties)))
            counter.value = high
        current[:] = start, _ = time.perf_counter(), high - low
        try:
            append(pieces, low, [function(x) for x in items[low:high]])
        except BaseException as error:
            failures.append((low, error))
            with counter.get_lock():
                counter.value = total
            return
        took = time.perf_counter() - start
        wanted = 2 * wanted if took < 0.001 else max(1, wanted // 2) if took > 0.004 else wanted


def price_of_answers(pieces):
    if not pieces:
        return 0.0
    values = pieces[-1][1]
    price = 0.0
    for sample in (values[-1:], values[-200:]):
        start = time.thread_time()
        try:
            pickle.loads(pickle.dumps(sample))
        except Exception:
            return float("inf")
        spent = time.thread_time() - start
        price = spent / len(sample)
        if spent > 0.0003:
            break
    return price


def adaptive_map(function, items, max_workers):
    items = items if isinstance(items, (list, tuple)) else list(items)
    total = len(items)
    parties = min(max_workers, total)
    if parties <= 1:
        return [function(x) for x in items]
    counter = CTX.Value("q", 0)
    state = function, items, counter, parties
    pieces, failures, current = [], [], [time.perf_counter(), 1]
    began = time.perf_counter()
    thread = threading.Thread(target=drain, args=(*state, pieces, failures, current))
    thread.start()
    pool, before = None, False
    try:
        while thread.is_alive():
            thread.join(0.007)
            claimed, now = counter.value, time.perf_counter()
            left = total - claimed
            if not left:
                break
            since, length = current
            cost = (now - began) / max(claimed, 1)
            if now - since > 0.02 and length <= 8:
                cost = max(cost, 2 * (now - since) / length)
            before, earlier = left * (1 - 1 / parties) * (cost - 1e-6 - 2 * price_of_answers(pieces)) > 0.025, before
            if before and earlier:
                helpers = min(parties - 1, left)
                pool = CTX.Pool(helpers, install, state)
                promised = [pool.apply_async(drain_here, (k,)) for k in range(helpers)]
                break
        thread.join()
        if pool is not None:
            for promise in promised:
                more, failed = promise.get()
                pieces += more
                failures += failed
            pool.close()
            pool.join()
    finally:
        thread.join()
        if pool is not None:
            pool.terminate()
            pool.join()
    if failures:
        raise min(failures, key=lambda f: f[0])[1]
    pieces.sort(key=lambda piece: piece[0])
    result = pieces[0][1]
    for _, values in pieces[1:]:
        result.extend(values)
    return result
