"""Terse: slice numbers lie in a pipe; the caller reads them, and so do forked helpers that a timer thread adds if it pays."""

import multiprocessing as mp, multiprocessing.connection, multiprocessing.popen_fork, os, pickle, threading
from itertools import chain
from time import perf_counter, thread_time

fork = mp.get_context("fork")


def drain(f, parts, tokens, seen):
    while token := os.read(tokens, 2):
        k = int.from_bytes(token, "little")
        seen["at"] = k, perf_counter()
        try:
            seen["done"][k] = [f(x) for x in parts[k]]
        except BaseException as e:
            seen["failed"] = k, e
            break
    return seen["done"], seen["failed"]


def fresh():
    return {"done": {}, "failed": None, "at": (0, perf_counter())}


def send(pipe, *job):
    pipe.send(drain(*job, fresh()))


def transfer(values):
    cost = 0.0
    for sample in values[-1:], values[-100:]:
        t = thread_time()
        try:
            pickle.loads(pickle.dumps(sample))
        except Exception:
            return float("inf")
        t = thread_time() - t
        cost = t / len(sample)
        if t > 3e-4:
            break
    return cost


def adaptive_map(function, items, max_workers):
    items = items if isinstance(items, (list, tuple)) else list(items)
    n = min(max_workers, len(items))
    if n <= 1:
        return [function(x) for x in items]
    size = -(-len(items) // min(len(items), 512))
    parts = [items[i : i + size] for i in range(0, len(items), size)]
    tokens, w = os.pipe()
    os.write(w, b"".join(k.to_bytes(2, "little") for k in range(len(parts))))
    os.close(w)
    seen, stop, helpers, t0 = fresh(), threading.Event(), [], perf_counter()

    def watch():
        yes = 0
        while not stop.wait(0.007):
            k, since = seen["at"]
            left, now = len(parts) - k - 1, perf_counter()
            cost, done = (now - t0) / (k + 1), seen["done"].get(max(0, k - 1))
            if now - since > 0.02 and size <= 8:
                cost = max(cost, 2 * (now - since))
            yes = (
                yes + 1
                if left * (1 - 1 / n) * (cost - 1e-6 * size - 2 * size * (transfer(done) if done else 0)) > 0.02
                else 0
            )
            if yes == 2:
                for _ in range(min(n - 1, left)):
                    r, w = fork.Pipe(False)
                    p = fork.Process(target=send, args=(w, function, parts, tokens))
                    p.start()
                    w.close()
                    helpers.append((p, r))
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        done, *failed = drain(function, parts, tokens, seen)
        stop.set()
        watcher.join()
        for _, r in helpers:
            d, e = r.recv()
            done.update(d)
            failed.append(e)
    finally:
        stop.set()
        watcher.join()
        os.close(tokens)
        for p, r in helpers:
            r.close()
            p.kill()
            p.join()
            p.close()
    failed = [e for e in failed if e]
    if failed:
        raise min(failed, key=lambda e: e[0])[1]
    return list(chain.from_iterable(done[k] for k in range(len(parts))))
