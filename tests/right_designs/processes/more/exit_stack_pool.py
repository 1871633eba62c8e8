"""identify: a Pool of n held together by a Barrier; run_all: one pipe per process, everything undone by an ExitStack."""

import multiprocessing as mp
import os
import pickle
from contextlib import ExitStack

_meeting = None


def _set_meeting(barrier):
    global _meeting
    _meeting = barrier


def _who(rank):
    me = (rank, os.getpid(), os.getppid(), os.getpgrp())
    _meeting.wait()  # nobody takes a second rank before all n are here
    return me


def identify(n, start_method="spawn"):
    if n == 0:
        return []
    ctx = mp.get_context(start_method)
    pool = ctx.Pool(n, initializer=_set_meeting, initargs=(ctx.Barrier(n),))
    try:
        found = pool.map(_who, range(n), chunksize=1)
        pool.close()
    except BaseException:
        pool.terminate()
        raise
    finally:
        pool.join()
    return found


def _text(e):
    return "%s: %s" % (type(e).__name__, e)


def _work(end, function, argument):
    try:
        answer = ("ok", function(argument))
    except SystemExit:
        raise
    except BaseException as e:
        answer = ("error", _text(e))
    try:
        message = pickle.dumps(answer)
    except Exception as e:
        message = pickle.dumps(("error", _text(e)))
    end.send_bytes(message)


def _end(process):
    process.kill()  # does nothing to one that has been joined
    process.join()


def _outcome(process, pipe):
    try:
        message = pipe.recv_bytes()
    except (EOFError, OSError):
        process.join()
        return ("died", process.exitcode)
    process.join()
    try:
        return pickle.loads(message)
    except Exception as e:
        return ("error", _text(e))


def run_all(function, arguments, start_method="spawn"):
    ctx = mp.get_context(start_method)
    with ExitStack() as stack:
        started = []
        for argument in arguments:
            ours, theirs = ctx.Pipe(duplex=False)
            stack.enter_context(ours)
            with theirs:  # closed here as soon as the child has it: a dead child then means EOF
                process = ctx.Process(target=_work, args=(theirs, function, argument))
                process.start()
            stack.callback(_end, process)
            started.append((process, ours))
        return [_outcome(*each) for each in started]
