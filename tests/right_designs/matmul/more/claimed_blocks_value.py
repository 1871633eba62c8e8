"""Workers claim the next block number from a shared Value; dataclass plan; the caller waits for the sentinels."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
from dataclasses import dataclass
from multiprocessing.shared_memory import SharedMemory

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Plan:
    m: int
    k: int
    n: int
    block: int

    @property
    def columns(self) -> int:
        return -(-self.n // self.block)

    @property
    def blocks(self) -> int:
        return -(-self.m // self.block) * self.columns

    def corner(self, number: int) -> tuple[int, int]:
        row, column = divmod(number, self.columns)
        return row * self.block, column * self.block

    def arrays(self, segments: list[SharedMemory]) -> tuple[Matrix, Matrix, Matrix]:
        shapes = (self.m, self.k), (self.k, self.n), (self.m, self.n)
        a, b, c = (np.ndarray(shape, np.float64, segment.buf) for shape, segment in zip(shapes, segments))
        return a, b, c

    def sizes(self) -> tuple[int, ...]:
        return tuple(max(8, 8 * x * y) for x, y in ((self.m, self.k), (self.k, self.n), (self.m, self.n)))


def _worker(plan: Plan, segments: list[SharedMemory], counter) -> None:
    a, b, c = plan.arrays(segments)
    while True:
        with counter.get_lock():
            number = counter.value
            if number >= plan.blocks:
                return
            counter.value = number + 1
        i, j = plan.corner(number)
        c[i : i + plan.block, j : j + plan.block] = a[i : i + plan.block] @ b[:, j : j + plan.block]


def _fill(plan: Plan, segments: list[SharedMemory], a: Matrix, b: Matrix) -> None:
    left, right, _ = plan.arrays(segments)
    left[...] = a
    right[...] = b


def _result(plan: Plan, segments: list[SharedMemory]) -> Matrix:
    return plan.arrays(segments)[2].copy()


def _run(plan: Plan, segments: list[SharedMemory], n_workers: int) -> None:
    context = multiprocessing.get_context("fork")
    counter = context.Value("q", 0)
    workers = []
    try:
        for _ in range(n_workers):
            worker = context.Process(target=_worker, args=(plan, segments, counter))
            worker.start()
            workers.append(worker)
        running = {worker.sentinel: worker for worker in workers}
        while running:
            for sentinel in multiprocessing.connection.wait(list(running)):
                worker = running.pop(sentinel)
                worker.join()
                if worker.exitcode != 0:
                    raise RuntimeError(f"worker {worker.name} ended with exit code {worker.exitcode}")
    finally:
        for worker in workers:
            worker.kill()
            worker.join()
            worker.close()


def block_matmul(a: Matrix, b: Matrix, n_workers: int, block: int) -> Matrix:
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        raise ValueError(f"cannot multiply {a.shape} by {b.shape}")
    if min(n_workers, block) < 1:
        raise ValueError("n_workers and block must be positive")
    plan = Plan(a.shape[0], a.shape[1], b.shape[1], block)
    segments: list[SharedMemory] = []
    try:
        for size in plan.sizes():
            segments.append(SharedMemory(create=True, size=size))
        _fill(plan, segments, a, b)
        _run(plan, segments, n_workers)
        return _result(plan, segments)
    finally:
        for segment in segments:
            segment.unlink()
        for segment in segments:
            segment.close()
