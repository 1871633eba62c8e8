"""asyncio.gather over run_in_executor on a fork ProcessPoolExecutor; workers hold the items, only ranges travel."""

import asyncio
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from itertools import chain

_job = None


def _adopt(function, items):
    global _job
    _job = function, items


def _run(low, high):
    function, items = _job
    out = []
    for x in items[low:high]:
        try:
            out.append((True, function(x)))
        except BaseException as error:
            out.append((False, error))
            break
    return out


async def _gather(executor, total, size):
    loop = asyncio.get_running_loop()
    ranges = [(low, min(low + size, total)) for low in range(0, total, size)]
    return await asyncio.gather(*(loop.run_in_executor(executor, _run, *r) for r in ranges))


def parallel_map(function, items, n_workers):
    items = list(items)
    if not items:
        return []
    workers = max(1, min(n_workers, len(items)))
    size = max(1, len(items) // (48 * workers))
    with ProcessPoolExecutor(workers, multiprocessing.get_context("fork"), _adopt, (function, items)) as executor:
        pieces = asyncio.run(_gather(executor, len(items), size))
    result = []
    for good, value in chain.from_iterable(pieces):
        if not good:
            raise value
        result.append(value)
    return result
