"""Exercise 06, overhead: processes where they pay, and none where they do not."""

import multiprocessing
import time

# YOUR CODE HERE
raise NotImplementedError("overhead")


def adaptive_map(function, items, max_workers):
    """Return [function(x) for x in items], computed by at most max_workers processes, or by none but this one.

    Never a bad deal: work that is too small to pay for processes takes at most 1.5 times as long as a plain loop and
    5 ms; of what processes could gain on larger work, at least three quarters are gained. Nobody says which is which:
    there may be few dear items or many cheap ones, and the first may be like the others or not.

    `function` can be pickled (it is defined at the top of a module) and is called once for each item. The values come
    in the order of `items`. If `function` raises for some items, the exception of the first of them in the order of
    `items` is raised, with its type and message. When it returns, or raises, no process is left behind.
    """
    # YOUR CODE HERE
    raise NotImplementedError("overhead")
