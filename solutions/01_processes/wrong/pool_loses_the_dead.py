# fails: test_every_end_is_reported
# mistake: a multiprocessing.Pool: it replaces a worker that dies and waits for ever for the lost answer
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


def run_all(function, arguments, start_method="spawn"):
    arguments = list(arguments)
    if not arguments:
        return []
    outcomes = []
    with multiprocessing.get_context(start_method).Pool(len(arguments), maxtasksperchild=1) as pool:
        for result in [pool.apply_async(function, (argument,)) for argument in arguments]:
            try:
                outcomes.append(("ok", result.get()))
            except Exception as error:
                outcomes.append(("error", f"{type(error).__name__}: {error}"))
    return outcomes
