"""ProcessPoolExecutor.submit on interleaved slices items[k::m], put back with slice assignment."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from typing import Any


def _strided(function: Callable[[Any], Any], part: list) -> tuple[list, BaseException | None]:
    """Values up to the first failure of this slice, and that failure."""
    values: list = []
    try:
        for item in part:
            values.append(function(item))
    except BaseException as error:
        return values, error
    return values, None


def parallel_map(function: Callable[[Any], Any], items: Iterable, n_workers: int) -> list:
    everything = list(items)
    total = len(everything)
    if total == 0:
        return []
    workers = max(1, min(n_workers, total))
    slices = min(total, 29 * workers)
    result: list = [None] * total
    first: tuple[int, BaseException] | None = None
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(max_workers=workers, mp_context=context) as executor:
        futures = [executor.submit(_strided, function, everything[k::slices]) for k in range(slices)]
        for k, future in enumerate(futures):
            values, error = future.result()
            if error is None:
                result[k::slices] = values
            else:
                index = k + len(values) * slices
                if first is None or index < first[0]:
                    first = index, error
    if first is not None:
        raise first[1]
    return result
