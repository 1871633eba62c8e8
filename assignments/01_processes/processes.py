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
    # YOUR CODE HERE
    raise NotImplementedError("processes")


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
    # YOUR CODE HERE
    raise NotImplementedError("processes")
