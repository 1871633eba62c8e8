"""What this machine can give: runs where no submission is, so that none can call it."""

import multiprocessing
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

Function = Callable[[Any], Any]


def run(function: Function, items: Sequence[Any], n_workers: int, start_method: str) -> list[Any]:
    """The values, computed by processes with shares that are even because the items come sorted by their costs.

    No `parallel_map` knows that much: this shows what the machine can give.
    """
    context = multiprocessing.get_context(start_method)
    cycle = 2 * n_workers
    # Dealt out forwards and backwards in turn, so that every share has as many dear items as cheap ones.
    shares = [(slice(worker, None, cycle), slice(cycle - 1 - worker, None, cycle)) for worker in range(n_workers)]
    started = []
    for share in shares:
        reader, writer = context.Pipe(duplex=False)
        process = context.Process(target=compute, args=(writer, function, [items[part] for part in share]))
        process.start()
        started.append((process, reader))
    values: list[Any] = [None] * len(items)
    for share, (process, reader) in zip(shares, started, strict=True):
        for part, found in zip(share, reader.recv(), strict=True):
            values[part] = found
        process.join()
    return values


def compute(writer: Connection, function: Function, parts: list[Sequence[Any]]) -> None:
    """One process's work."""
    writer.send([[function(item) for item in part] for part in parts])


### BEGIN HIDDEN TESTS
def run(function: Function, items: Sequence[Any], n_workers: int, start_method: str) -> list[Any]:  # noqa: F811
    """For the mark: as the reference does it, so that what a busy machine does to a pool it does to both alike."""
    with multiprocessing.get_context(start_method).Pool(n_workers) as pool:
        values = list(pool.imap(function, items, chunksize=max(1, len(items) // (n_workers * 64))))
        pool.close()
        pool.join()
    return values


### END HIDDEN TESTS
