# fails: test_the_order_is_not_that_of_arrival
# mistake: identify lists its rows as they arrive
import multiprocessing
import os


def _introduce(queue, everyone, rank):
    queue.put((rank, os.getpid(), os.getppid(), os.getpgrp()))
    everyone.wait()


def identify(n, start_method="spawn"):
    context = multiprocessing.get_context(start_method)
    queue = context.SimpleQueue()
    everyone = context.Barrier(n)
    children = [context.Process(target=_introduce, args=(queue, everyone, rank), daemon=True) for rank in range(n)]
    try:
        for child in children:
            child.start()
        rows = [queue.get() for _ in children]
    finally:
        for child in children:
            if child.pid:
                child.terminate()
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
