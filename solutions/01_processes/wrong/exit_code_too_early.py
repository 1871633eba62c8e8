# fails: test_every_end_is_reported
# mistake: the exit code is read when the pipe is at its end, before the process is: it may still be None
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
