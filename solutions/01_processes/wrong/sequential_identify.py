# fails: test_all_children_are_alive_at_the_same_time
# mistake: identify starts and joins one child after the other
import multiprocessing
import os


def _introduce(queue, rank):
    queue.put((rank, os.getpid(), os.getppid(), os.getpgid(0)))


def identify(n, start_method="spawn"):
    context = multiprocessing.get_context(start_method)
    queue = context.SimpleQueue()
    rows = []
    for rank in range(n):
        child = context.Process(target=_introduce, args=(queue, rank))
        child.start()
        child.join()
        rows.append(queue.get())
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
