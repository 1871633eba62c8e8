"""What a plain loop needs, and what processes can give: runs where no submission is, so that none can call it."""

import multiprocessing
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

Function = Callable[[Any], Any]


def loop(function: Function, items: Sequence[Any]) -> list[Any]:
    """The plain loop."""
    return [function(item) for item in items]


def run(function: Function, items: Sequence[Any], n_workers: int, start_method: str) -> list[Any]:
    """The values, computed by processes with shares that are dealt out like cards: fair where costs rise or fall steadily.

    It knows that the work pays, and no `adaptive_map` knows that much: this shows what the machine can give.
    """
    context = multiprocessing.get_context(start_method)
    started = []
    for worker in range(n_workers):
        reader, writer = context.Pipe(duplex=False)
        process = context.Process(target=compute, args=(writer, function, items[worker::n_workers]))
        process.start()
        started.append((process, reader))
    values: list[Any] = [None] * len(items)
    for worker, (process, reader) in enumerate(started):
        values[worker::n_workers] = reader.recv()
        process.join()
    return values


def compute(writer: Connection, function: Function, items: Sequence[Any]) -> None:
    """One process's work."""
    writer.send([function(item) for item in items])
