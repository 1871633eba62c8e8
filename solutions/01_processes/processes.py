"""Exercise 01, processes: start processes, hear from each of them, and leave none behind."""

import multiprocessing
import os


def identify(n, start_method="spawn"):
    """Start n child processes and return a list of (rank, pid, ppid, pgid), one tuple per child, in rank order.

    Child `rank` (0 to n - 1) finds out its own pid, its parent's pid and its process group, and reports them.
    At one moment all n children are alive together: none may end before the last one has reported. When identify
    returns, or raises, all of them have ended and have been waited for.

    `start_method` is "spawn" or "fork".
    """
    ### BEGIN SOLUTION
    context = multiprocessing.get_context(start_method)
    children = []
    try:
        for rank in range(n):
            child = _start(context, _introduce, rank)
            children.append(child)
        rows = [connection.recv() for _, connection in children]
        for _, connection in children:
            connection.send("everyone has reported")
    except BaseException:
        _kill(children)
        raise
    finally:
        _wait_for(children)
    return rows


def _introduce(connection, rank):
    """Runs in a child: report, then stay until everyone has."""
    connection.send((rank, os.getpid(), os.getppid(), os.getpgrp()))
    connection.recv()


def _start(context, target, *arguments):
    """Start a process with a pipe to it."""
    ours, theirs = context.Pipe()
    # The parent keeps no copy of the child's end: so the pipe is at its end as soon as the child is.
    with theirs:
        process = context.Process(target=target, args=(theirs, *arguments))
        process.start()
    return process, ours


def _kill(children):
    for process, _ in children:
        process.kill()


def _wait_for(children):
    for process, connection in children:
        process.join()
        connection.close()
    ### END SOLUTION


def run_all(function, arguments, start_method="spawn"):
    """Call function(argument) for every argument, each in a process of its own, and return what became of each.

    All processes are started before any is waited for. The list has one outcome per argument, in their order:

        ("ok", value)                        the function returned value
        ("error", "ValueError: the message") the function raised, or its value cannot be sent back
        ("died", exitcode)                   the process ended without an answer: os._exit(3) or sys.exit(3) give 3,
                                             a kill by signal 9 gives -9

    One bad process neither hangs the call nor hides what became of the others, and values may be many MB long.
    When a process cannot be started, the earlier ones are ended before the error is raised. None is left behind.

    `start_method` is "spawn" or "fork".
    """
    ### BEGIN SOLUTION
    context = multiprocessing.get_context(start_method)
    workers = []
    try:
        for argument in arguments:
            worker = _start(context, _work, function, argument)
            workers.append(worker)
        # Read first, join later: a process with much to say ends only when someone has read it.
        return [_outcome(process, connection) for process, connection in workers]
    except BaseException:
        _kill(workers)
        raise
    finally:
        _wait_for(workers)


def _work(connection, function, argument):
    """Runs in a worker: answer with what became of the call."""
    try:
        # Pickled as a whole before the first byte leaves: a value that cannot be sent leaves the pipe as it was.
        connection.send(("ok", function(argument)))
    except SystemExit:
        raise
    except BaseException as error:
        connection.send(("error", _describe(error)))


def _outcome(process, connection):
    try:
        return connection.recv()
    except (EOFError, OSError):
        process.join()
        return "died", process.exitcode
    except Exception as error:  # it could be sent, but not be put together again
        return "error", _describe(error)


def _describe(error):
    return f"{type(error).__name__}: {error}"
    ### END SOLUTION
