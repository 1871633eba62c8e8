"""What this machine can give: runs where no submission is, so that none can call it."""

import multiprocessing
from multiprocessing.connection import Connection

import driver
import numpy as np

Shape = tuple[int, int, int]


def run(seed: int, shape: Shape, n_workers: int, block: int, start_method: str) -> np.ndarray:
    """A probe of the product, by processes that each know how the operands are made, so that none need travel.

    No `block_matmul` knows that much: this shows what the machine can give.
    """
    context = multiprocessing.get_context(start_method)
    started = []
    for worker in range(n_workers):
        reader, writer = context.Pipe(duplex=False)
        process = context.Process(target=compute, args=(writer, seed, shape, worker, n_workers))
        process.start()
        started.append((process, reader))
    strips = []
    for process, reader in started:
        strips.append(reader.recv())
        process.join()
    return driver.probe(np.concatenate(strips), seed, shape)


def compute(writer: Connection, seed: int, shape: Shape, worker: int, n_workers: int) -> None:
    """One process's work: a strip of the result."""
    a, b = driver.operands(seed, *shape)
    writer.send(a[shape[0] * worker // n_workers : shape[0] * (worker + 1) // n_workers] @ b)
