"""What runs beside a submission of exercise 07: operands in every layout, and what can go wrong half way."""

import os
import time
from multiprocessing import shared_memory
from typing import Any

import numpy as np

#: Ways in which an operand can lie in memory.
LAYOUTS = ("rows", "columns", "every second", "turned", "read-only")


def operands(seed: int, rows: int, inner: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Two matrices that can be multiplied. Runs no code of a submission."""
    rng = np.random.default_rng(seed)
    return rng.random((rows, inner)) - 0.5, rng.random((inner, columns)) - 0.5


def multiply(seed: int, shape: tuple[int, int, int], n_workers: int, block: int) -> Any:
    """`block_matmul` of the operands of `shape` (rows, inner, columns), on a machine said to have 16 cores."""
    _say_16_cores()
    import matmul

    return matmul.block_matmul(*operands(seed, *shape), n_workers, block)


def probe(product: Any, seed: int, shape: tuple[int, int, int]) -> Any:
    """The product times a vector, which is much shorter and tells a wrong one as well (Freivalds, 1977)."""
    if isinstance(product, np.ndarray) and product.shape == (shape[0], shape[2]) and product.dtype == np.float64:
        return product @ np.random.default_rng([seed, 1]).random(shape[2])
    return f"a {type(product).__name__} of the shape {getattr(product, 'shape', None)}"


def multiply_and_probe(seed: int, shape: tuple[int, int, int], n_workers: int, block: int) -> Any:
    """The probe of what `block_matmul` gives."""
    return probe(multiply(seed, shape, n_workers, block), seed, shape)


def multiply_with_slow_starts(seed: int, shape: tuple[int, int, int], n_workers: int, block: int) -> Any:
    """The same where a forked process needs a moment to begin: those that are not waited for are there at once."""
    os.register_at_fork(after_in_child=lambda: time.sleep(0.1))
    return multiply(seed, shape, n_workers, block)


def multiply_in_layouts(
    seed: int, shape: tuple[int, int, int], layouts: tuple[str, str], n_workers: int, block: int
) -> dict[str, Any]:
    """The same with operands that lie in memory in these ways, and what they are afterwards."""
    import matmul

    a, b = (_laid_out(operand, layout) for operand, layout in zip(operands(seed, *shape), layouts, strict=True))
    return {"product": matmul.block_matmul(a, b, n_workers, block), "a": a.copy(), "b": b.copy()}


def _laid_out(operand: np.ndarray, layout: str) -> np.ndarray:
    if layout == "columns":
        return np.asfortranarray(operand)
    if layout == "every second":
        wide = np.full((operand.shape[0], 2 * operand.shape[1]), np.nan)
        wide[:, ::2] = operand
        return wide[:, ::2]
    if layout == "turned":
        return operand[::-1, ::-1].copy()[::-1, ::-1]
    operand = operand.copy()
    operand.flags.writeable = layout != "read-only"
    return operand


def multiply_wrongly(a: Any, b: Any, n_workers: int, block: int) -> Any:
    """`block_matmul` with arguments that make no sense."""
    import matmul

    return matmul.block_matmul(a, b, n_workers, block)


def multiply_without_room(seed: int, shape: tuple[int, int, int], n_workers: int, block: int, most: int) -> Any:
    """`block_matmul` where no more than `most` segments of shared memory can be made."""
    made, create = 0, shared_memory.SharedMemory.__init__

    def limited(self: Any, name: str | None = None, create_it: bool = False, size: int = 0, **more: Any) -> None:
        nonlocal made
        create_it = more.pop("create", create_it)
        made += create_it
        if create_it and made > most:
            raise OSError(28, "No space left on device")
        create(self, name, create_it, size, **more)

    shared_memory.SharedMemory.__init__ = limited
    import matmul

    return matmul.block_matmul(*operands(seed, *shape), n_workers, block)


def multiply_without_processes(seed: int, shape: tuple[int, int, int], n_workers: int, block: int, most: int) -> Any:
    """`block_matmul` where no more than `most` processes can be started by a fork."""
    forked, fork = 0, os.fork

    def limited() -> int:
        nonlocal forked
        if forked == most:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        forked += 1
        return fork()

    os.fork = limited
    import matmul

    return matmul.block_matmul(*operands(seed, *shape), n_workers, block)


def _say_16_cores() -> None:
    for name in ("cpu_count", "process_cpu_count"):
        if hasattr(os, name):
            setattr(os, name, lambda: 16)
    if hasattr(os, "sched_getaffinity"):
        os.sched_getaffinity = lambda _: set(range(16))
