"""Exercise 05, cpu_bound: spread a CPU-bound loop over processes."""

import multiprocessing


def parallel_map(function, items, n_workers):
    """Return [function(x) for x in items], computed by at most n_workers processes.

    `function` can be pickled (it is defined at the top of a module) and is called exactly once for each item. The
    values come in the order of `items`, whichever is ready first. If `function` raises for some items, the exception
    of the first of them in the order of `items` is raised, with its type and message.

    It is quick for a few dear items, for many cheap ones, and for items whose costs differ a hundredfold.
    When it returns, or raises, no process is left behind.
    """
    # YOUR CODE HERE
    raise NotImplementedError("cpu_bound")
