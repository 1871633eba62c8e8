# fails: test_all_children_are_alive_at_the_same_time
# mistake: children sleep for half a second in the hope that all have been started by then
import multiprocessing
import os
import time


def _introduce(queue, rank):
    queue.put((rank, os.getpid(), os.getppid(), os.getpgrp()))
    time.sleep(0.5)  # all are alive now


def identify(n, start_method="spawn"):
    context = multiprocessing.get_context(start_method)
    queue = context.SimpleQueue()
    children = [context.Process(target=_introduce, args=(queue, rank)) for rank in range(n)]
    for child in children:
        child.start()
    rows = sorted(queue.get() for _ in children)
    for child in children:
        child.join()
    return rows


def _work(connection, function, argument):
    try:
        connection.send(("ok", function(argument)))
    except SystemExit:
        raise
    except BaseException as error:
        connection.send(("error", f"{type(error).__name__}: {error}"))


def run_all(function, arguments, start_method="spawn"):
    context = multiprocessing.get_context(start_method)
    workers = []
    try:
        for argument in arguments:
            ours, theirs = context.Pipe()
            worker = context.Process(target=_work, args=(theirs, function, argument))
            worker.start()
            theirs.close()
            workers.append((worker, ours))
        outcomes = []
        for worker, ours in workers:
            try:
                outcomes.append(ours.recv())
            except EOFError:
                worker.join()
                outcomes.append(("died", worker.exitcode))
        return outcomes
    except BaseException:
        for worker, _ in workers:
            worker.kill()
        raise
    finally:
        for worker, ours in workers:
            worker.join()
            ours.close()
