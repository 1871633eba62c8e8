"""All processes are started first; then one thread per process reads its pipe and joins it."""

import multiprocessing as mp
import os
import pickle
from concurrent.futures import ThreadPoolExecutor, as_completed


def _start(ctx, target, argument_lists):
    """[(process, reader), ...]; either all of them or none."""
    team = []
    try:
        for args in argument_lists:
            r, w = ctx.Pipe(False)
            try:
                p = ctx.Process(target=target, args=(w, *args))
                p.start()
            finally:
                w.close()
            team.append((p, r))
    except BaseException:
        _end(team)
        raise
    return team


def _end(team):
    for p, _ in team:
        p.kill()
    for p, _ in team:
        p.join()


def _collect(team, read):
    """read(process, reader) in a thread for every member; results in order."""
    if not team:
        return []
    with ThreadPoolExecutor(len(team)) as threads:
        try:
            futures = [threads.submit(read, *member) for member in team]
            for f in as_completed(futures):
                f.result()
            return [f.result() for f in futures]
        finally:
            _end(team)  # the readers see EOF, so that the threads end as well


def _hello(w, rank, barrier):
    w.send((rank, os.getpid(), os.getppid(), os.getpgrp()))
    barrier.wait()


def _read_hello(p, r):
    report = r.recv()
    p.join()
    if p.exitcode != 0:
        raise RuntimeError(f"child {report[0]} ended with {p.exitcode}")
    return report


def identify(n, start_method="spawn"):
    if n == 0:
        return []
    ctx = mp.get_context(start_method)
    barrier = ctx.Barrier(n)
    return _collect(_start(ctx, _hello, [(rank, barrier) for rank in range(n)]), _read_hello)


def _error(e):
    return "error", f"{e.__class__.__name__}: {e}"


def _compute(w, function, argument):
    try:
        answer = "ok", function(argument)
    except BaseException as e:
        if isinstance(e, SystemExit):
            raise
        answer = _error(e)
    try:
        data = pickle.dumps(answer)
    except Exception as e:
        data = pickle.dumps(_error(e))
    w.send_bytes(data)
    w.close()


def _read_answer(p, r):
    try:
        data = r.recv_bytes()
    except (EOFError, OSError):
        data = None
    p.join()
    if data is None:
        return "died", p.exitcode
    try:
        return pickle.loads(data)
    except Exception as e:
        return _error(e)


def run_all(function, arguments, start_method="spawn"):
    ctx = mp.get_context(start_method)
    return _collect(_start(ctx, _compute, [(function, a) for a in arguments]), _read_answer)
