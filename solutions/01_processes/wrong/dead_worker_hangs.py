# fails: test_every_end_is_reported
# mistake: one shared queue is read as often as there are workers: one that dies leaves the reader waiting for ever
import multiprocessing
import os


def _introduce(connection, rank):
    connection.send((rank, os.getpid(), os.getppid(), os.getpgrp()))
    connection.recv()


def identify(n, start_method="spawn"):
    context = multiprocessing.get_context(start_method)
    children = []
    try:
        for rank in range(n):
            ours, theirs = context.Pipe()
            child = context.Process(target=_introduce, args=(theirs, rank))
            child.start()
            theirs.close()
            children.append((child, ours))
        rows = [ours.recv() for _, ours in children]
        for _, ours in children:
            ours.send(None)
    except BaseException:
        for child, _ in children:
            child.kill()
        raise
    finally:
        for child, ours in children:
            child.join()
            ours.close()
    return rows


def _work(queue, rank, function, argument):
    try:
        queue.put((rank, ("ok", function(argument))))
    except SystemExit:
        raise
    except BaseException as error:
        queue.put((rank, ("error", f"{type(error).__name__}: {error}")))


def run_all(function, arguments, start_method="spawn"):
    context = multiprocessing.get_context(start_method)
    arguments = list(arguments)
    queue = context.SimpleQueue()
    workers = []
    for rank, argument in enumerate(arguments):
        worker = context.Process(target=_work, args=(queue, rank, function, argument))
        worker.start()
        workers.append(worker)
    found = dict(queue.get() for _ in arguments)
    for worker in workers:
        worker.join()
    return [found.get(rank, ("died", worker.exitcode)) for rank, worker in enumerate(workers)]
