"""What this machine can give: runs where no submission is, so that none can call it."""

import os
import pickle
from collections.abc import Callable, Sequence
from typing import Any


def run(function: Callable[[Any], Any], items: Sequence[Any], n_workers: int) -> list[Any]:
    """The values, computed by forked processes with shares that are even because the items come sorted by their costs.

    No `parallel_map` knows that much: this shows what the machine can give.
    """
    cycle = 2 * n_workers
    # Dealt out forwards and backwards in turn, so that every share has as many dear items as cheap ones.
    shares = [(slice(worker, None, cycle), slice(cycle - 1 - worker, None, cycle)) for worker in range(n_workers)]
    readers = []
    for share in shares:
        reader, writer = os.pipe()
        if os.fork() == 0:
            with open(writer, "wb") as stream:
                pickle.dump([[function(item) for item in items[part]] for part in share], stream)
            os._exit(0)
        os.close(writer)
        readers.append(reader)
    values: list[Any] = [None] * len(items)
    for share, reader in zip(shares, readers, strict=True):
        with open(reader, "rb") as stream:
            for part, found in zip(share, pickle.load(stream), strict=True):
                values[part] = found
    for _ in shares:
        os.wait()
    return values


### BEGIN HIDDEN TESTS
def run(function: Callable[[Any], Any], items: Sequence[Any], n_workers: int) -> list[Any]:  # noqa: F811
    """For the mark: as the reference does it, so that what a busy machine does to a pool it does to both alike."""
    import multiprocessing

    with multiprocessing.get_context("fork").Pool(n_workers) as pool:
        values = list(pool.imap(function, items, chunksize=max(1, len(items) // (n_workers * 64))))
        pool.close()
        pool.join()
    return values


### END HIDDEN TESTS
