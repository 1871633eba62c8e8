"""asyncio: the serial work runs in an executor thread, a coroutine watches it and engages forked helpers when they pay."""

import asyncio
import multiprocessing
import multiprocessing.connection
import multiprocessing.popen_fork
import multiprocessing.sharedctypes
import pickle
import time
from concurrent.futures import ThreadPoolExecutor

fork = multiprocessing.get_context("fork")


def slices(counter, total, parties):
    """A coroutine-like generator of (low, high); send() it the seconds that the last slice took."""
    wanted = 1
    while True:
        with counter.get_lock():
            low = counter.value
            high = min(total, low + max(1, min(wanted, (total - low) // (2 * parties))))
            counter.value = high
        if low == high:
            return
        took = yield low, high
        if took < 0.001:
            wanted *= 2
        elif took > 0.004:
            wanted = max(1, wanted // 2)


def append(pieces, low, values):
    """Neighbouring pieces grow together, so that work done by one alone needs no joining."""
    if pieces and pieces[-1][0] + len(pieces[-1][1]) == low:
        pieces[-1][1].extend(values)
    else:
        pieces.append((low, values))


def work(function, items, counter, parties, notes):
    source = slices(counter, len(items), parties)
    took = None
    while True:
        try:
            low, high = source.send(took)
        except StopIteration:
            return notes
        notes["slice"] = time.perf_counter(), high - low
        start = time.perf_counter()
        try:
            values = [function(x) for x in items[low:high]]
        except BaseException as error:
            with counter.get_lock():
                counter.value = len(items)
            notes["failure"] = low, error
            return notes
        append(notes["pieces"], low, values)
        took = time.perf_counter() - start


def new_notes():
    return {"pieces": [], "failure": None, "slice": (time.perf_counter(), 1)}


def help_out(function, items, counter, parties, pipe):
    pipe.send(work(function, items, counter, parties, new_notes()))


def postage(notes):
    if not notes["pieces"]:
        return 0.0
    values = notes["pieces"][-1][1]
    cost = 0.0
    for many in (1, 128):
        sample = values[-many:]
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


def pays(notes, counter, total, parties, began):
    claimed = counter.value
    left = total - claimed
    if not left:
        return False
    now = time.perf_counter()
    since, length = notes["slice"]
    cost = (now - began) / max(1, claimed)
    if now - since > 0.02 and length <= 8:
        cost = max(cost, 2 * (now - since) / length)
    return left * (1 - 1 / parties) * (cost - 1e-6 - 2 * postage(notes)) > 0.020


async def conduct(function, items, parties, thread, helpers):
    counter, notes = fork.Value("q", 0), new_notes()
    total, began = len(items), time.perf_counter()
    serial = asyncio.get_running_loop().run_in_executor(thread, work, function, items, counter, parties, notes)
    agreed = 0
    while not serial.done():
        await asyncio.wait({serial}, timeout=0.007)
        agreed = agreed + 1 if not serial.done() and pays(notes, counter, total, parties, began) else 0
        if agreed == 2:
            for _ in range(min(parties - 1, total - counter.value)):
                ours, theirs = fork.Pipe(duplex=False)
                process = fork.Process(target=help_out, args=(function, items, counter, parties, theirs))
                process.start()
                theirs.close()
                helpers.append((process, ours))
            break
    return await serial


def adaptive_map(function, items, max_workers):
    items = items if isinstance(items, (list, tuple)) else list(items)
    parties = min(max_workers, len(items))
    if parties <= 1:
        return [function(x) for x in items]
    helpers = []
    try:
        with ThreadPoolExecutor(1) as thread:
            books = [asyncio.run(conduct(function, items, parties, thread, helpers))]
        books += [pipe.recv() for _, pipe in helpers]
    finally:
        for process, pipe in helpers:
            pipe.close()
            process.kill()
            process.join()
            process.close()
    failures = sorted((b["failure"] for b in books if b["failure"]), key=lambda f: f[0])
    if failures:
        raise failures[0][1]
    (_, result), *rest = sorted((p for b in books for p in b["pieces"]), key=lambda p: p[0])
    for _, values in rest:
        result += values
    return result
