"""Bare os.fork: tokens (slice numbers) lie ready in a pipe, every child takes the next one; pickled answers come back by pipes."""

import os
import pickle
import signal
import sys


def _child(function, items, size, tokens, answers):
    done, failure = {}, None
    while token := os.read(tokens, 4):
        k = int.from_bytes(token, "little")
        try:
            done[k] = [function(x) for x in items[k * size : (k + 1) * size]]
        except BaseException as error:
            failure = k, error
            break
    with os.fdopen(answers, "wb") as stream:
        pickle.dump((done, failure), stream, protocol=pickle.HIGHEST_PROTOCOL)


def parallel_map(function, items, n_workers):
    items = list(items)
    if not items:
        return []
    n = max(1, min(n_workers, len(items)))
    size = -(-len(items) // min(len(items), 128 * n, 8192))
    slices = -(-len(items) // size)
    tokens, fill = os.pipe()
    os.write(fill, b"".join(k.to_bytes(4, "little") for k in range(slices)))  # at most 32 KiB: fits a pipe
    os.close(fill)
    sys.stdout.flush()
    sys.stderr.flush()
    pids, streams = [], []
    try:
        for _ in range(n):
            read_end, write_end = os.pipe()
            streams.append(os.fdopen(read_end, "rb"))
            try:
                pid = os.fork()
                if pid == 0:
                    status = 1
                    try:
                        _child(function, items, size, tokens, write_end)
                        status = 0
                    finally:
                        os._exit(status)
                pids.append(pid)
            finally:
                os.close(write_end)
        done, failures = {}, []
        for stream in streams:
            try:
                part, failure = pickle.load(stream)
            except EOFError:
                raise RuntimeError("a child ended without an answer") from None
            done.update(part)
            if failure:
                failures.append(failure)
        if failures:
            raise min(failures, key=lambda f: f[0])[1]
        return [value for k in range(slices) for value in done[k]]
    finally:
        os.close(tokens)
        for stream in streams:
            stream.close()
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            os.waitpid(pid, 0)
