"""Answers travel through files in a temporary directory (written aside, then renamed), so joining first is safe."""

import multiprocessing as mp
import os
import pathlib
import pickle
import tempfile
import time


def _publish(folder, rank, payload):
    draft = folder / f"{rank}.draft"
    draft.write_bytes(payload)
    draft.rename(folder / f"{rank}.done")


def _stop(processes):
    for p in processes:
        p.kill()
    for p in processes:
        p.join()


def _present(folder, rank, leave):
    _publish(folder, rank, pickle.dumps((rank, os.getpid(), os.getppid(), os.getpgrp())))
    leave.wait()


def identify(n, start_method="spawn"):
    ctx = mp.get_context(start_method)
    leave = ctx.Event()
    children = []
    with tempfile.TemporaryDirectory(prefix="identify-") as name:
        folder = pathlib.Path(name)
        try:
            for rank in range(n):
                child = ctx.Process(target=_present, args=(folder, rank, leave))
                child.start()
                children.append(child)
            files = [folder / f"{rank}.done" for rank in range(n)]
            while not all(f.exists() for f in files):
                if any(c.exitcode is not None for c in children):
                    raise RuntimeError("a child ended before it had reported")
                time.sleep(0.005)
            leave.set()
            for child in children:
                child.join()
            return [pickle.loads(f.read_bytes()) for f in files]
        finally:
            _stop(children)


def _run(folder, rank, function, argument):
    try:
        value = function(argument)
    except Exception as e:
        answer = pickle.dumps(("error", f"{type(e).__name__}: {e}"))
    except (KeyboardInterrupt, GeneratorExit) as e:
        answer = pickle.dumps(("error", f"{type(e).__name__}: {e}"))
    else:
        try:
            answer = pickle.dumps(("ok", value))
        except Exception as e:
            answer = pickle.dumps(("error", f"{type(e).__name__}: {e}"))
    _publish(folder, rank, answer)


def run_all(function, arguments, start_method="spawn"):
    ctx = mp.get_context(start_method)
    workers = []
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="run-all-") as name:
        folder = pathlib.Path(name)
        try:
            for rank, argument in enumerate(arguments):
                w = ctx.Process(target=_run, args=(folder, rank, function, argument))
                w.start()
                workers.append(w)
            for rank, w in enumerate(workers):
                w.join()
                try:
                    outcomes.append(pickle.loads((folder / f"{rank}.done").read_bytes()))
                except FileNotFoundError:
                    outcomes.append(("died", w.exitcode))
                except Exception as e:  # does not come to life again on this side
                    outcomes.append(("error", f"{type(e).__name__}: {e}"))
        finally:
            _stop(workers)
    return outcomes
