"""The worker tells the size of its answer; the parent owns a small shared-memory segment that the worker fills again and again."""

import multiprocessing as mp
import os
import pickle
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory

FIELDS = 4
WINDOW = 1 << 20


def _kill_and_reap(processes):
    for p in processes:
        p.kill()
    for p in processes:
        p.join()


def _fill_row(name, rank, barrier):
    table = SharedMemory(name=name)
    try:
        numbers = table.buf.cast("q")
        numbers[rank * FIELDS : (rank + 1) * FIELDS] = memoryview(
            b"".join(x.to_bytes(8, "little", signed=True) for x in (rank, os.getpid(), os.getppid(), os.getpgrp()))
        ).cast("q")
        numbers.release()
    finally:
        table.close()
    barrier.wait(timeout=300)


def identify(n, start_method="spawn"):
    if n == 0:
        return []
    ctx = mp.get_context(start_method)
    barrier = ctx.Barrier(n)
    children = []
    table = SharedMemory(create=True, size=n * FIELDS * 8)
    try:
        for rank in range(n):
            child = ctx.Process(target=_fill_row, args=(table.name, rank, barrier))
            child.start()
            children.append(child)
        for child in children:
            child.join()
        if any(child.exitcode for child in children):
            raise RuntimeError("a child failed to report")
        numbers = table.buf.cast("q")
        rows = [tuple(numbers[r * FIELDS : (r + 1) * FIELDS].tolist()) for r in range(n)]
        numbers.release()
        return rows
    finally:
        _kill_and_reap(children)
        table.close()
        table.unlink()


def _deliver(pipe, function, argument):
    try:
        answer = ("ok", function(argument))
    except SystemExit:
        raise
    except BaseException as e:
        answer = ("error", f"{type(e).__name__}: {e}")
    try:
        payload = pickle.dumps(answer)
    except Exception as e:
        payload = pickle.dumps(("error", f"{type(e).__name__}: {e}"))
    pipe.send(len(payload))
    segment = SharedMemory(name=pipe.recv())
    try:
        for start in range(0, len(payload), WINDOW):
            piece = payload[start : start + WINDOW]
            segment.buf[: len(piece)] = piece
            pipe.send(len(piece))
            pipe.recv()
    finally:
        segment.close()


def _fetch(pipe):
    """The payload, or None when the worker is gone."""
    segment = None
    try:
        size = pipe.recv()
        segment = SharedMemory(create=True, size=min(size, WINDOW))
        pipe.send(segment.name)
        payload = bytearray()
        while len(payload) < size:
            filled = pipe.recv()
            payload += segment.buf[:filled]
            pipe.send("next")
        return bytes(payload)
    except (EOFError, ConnectionError):
        return None
    finally:
        if segment is not None:
            segment.close()
            segment.unlink()


def run_all(function, arguments, start_method="spawn"):
    ctx = mp.get_context(start_method)
    resource_tracker.ensure_running()  # forked workers must share it
    workers, pipes, outcomes = [], [], []
    try:
        for argument in arguments:
            mine, yours = ctx.Pipe()
            pipes.append(mine)
            worker = ctx.Process(target=_deliver, args=(yours, function, argument))
            try:
                worker.start()
            finally:
                yours.close()
            workers.append(worker)
        for worker, pipe in zip(workers, pipes):
            payload = _fetch(pipe)
            worker.join()
            if payload is None:
                outcomes.append(("died", worker.exitcode))
                continue
            try:
                outcomes.append(pickle.loads(payload))
            except Exception as e:
                outcomes.append(("error", f"{type(e).__name__}: {e}"))
        return outcomes
    finally:
        _kill_and_reap(workers)
        for pipe in pipes:
            pipe.close()
