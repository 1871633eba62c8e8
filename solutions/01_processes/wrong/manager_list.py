# fails: test_all_children_are_alive_at_the_same_time
# mistake: no rendezvous; a manager process hides how few children were alive at once
import multiprocessing
import os


def _introduce(rows, rank):
    rows[rank] = (rank, os.getpid(), os.getppid(), os.getpgrp())


def identify(n, start_method="spawn"):
    context = multiprocessing.get_context(start_method)
    with context.Manager() as manager:
        rows = manager.dict()
        children = [context.Process(target=_introduce, args=(rows, rank)) for rank in range(n)]
        for child in children:
            child.start()
        for child in children:
            child.join()
        return [rows[rank] for rank in range(n)]


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
