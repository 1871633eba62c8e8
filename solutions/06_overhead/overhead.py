"""Exercise 06, overhead: processes where they pay, and none where they do not."""

import multiprocessing
import time

### BEGIN SOLUTION
#: CPU time, in seconds, after which the work has shown that it is not small. Starting and ending the processes costs some
#: 17 ms: even if the work is over a moment later, that is no more than half of its own time and 5 ms.
ALONE = 0.025
### END SOLUTION


def adaptive_map(function, items, max_workers):
    """Return [function(x) for x in items], computed by at most max_workers processes, or by none but this one.

    Never a bad deal: work that is too small to pay for processes takes at most 1.5 times as long as a plain loop and
    5 ms; of what processes could gain on larger work, at least three quarters are gained. Nobody says which is which:
    there may be few dear items or many cheap ones, and the first may be like the others or not.

    `function` can be pickled (it is defined at the top of a module) and is called once for each item. The values come
    in the order of `items`. If `function` raises for some items, the exception of the first of them in the order of
    `items` is raised, with its type and message. When it returns, or raises, no process is left behind.
    """
    ### BEGIN SOLUTION
    items = list(items)
    values = _alone(function, items, ALONE if max_workers > 1 else float("inf"))
    rest = items[len(values) :]
    if rest:
        values += _together(function, rest, min(max_workers, len(rest)))
    return values


def _alone(function, items, seconds):
    """The values of the first items: as many as fit into so much CPU time, or one more."""
    values = []
    begin = time.thread_time()
    next_look = time.perf_counter() + seconds
    for item in items:
        # The clock on the wall is cheap to read. But others may have used the core meanwhile: that is no work of ours.
        if time.perf_counter() >= next_look:
            left = seconds - (time.thread_time() - begin)
            if left <= 0:
                break
            next_look = time.perf_counter() + left
        values.append(function(item))
    return values


def _together(function, items, n_workers):
    """The values, computed by processes: many more pieces than workers, so that whoever is done early finds more to do."""
    # What was forked has all that it needs; a process that is spawned would cost ten times as much.
    with multiprocessing.get_context("fork").Pool(n_workers) as pool:
        size = max(1, len(items) // (n_workers * 64))
        values = list(pool.imap(function, items, chunksize=size))  # in order, and so are its exceptions
        pool.close()
        pool.join()
    return values
    ### END SOLUTION
