# fails: test_few_dear_items_pay
# mistake: whether processes pay is found out in the first call, and remembered for work of every other kind
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from time import perf_counter

_pays = None


def _slice(function, part):
    values = []
    for x in part:
        try:
            values.append(function(x))
        except Exception as error:
            return values, error
    return values, None


def adaptive_map(function, items, max_workers):
    global _pays
    items = list(items)
    if len(items) < 2 or max_workers <= 1:
        return [function(x) for x in items]
    result = []
    if _pays is None:
        start = perf_counter()
        while len(result) < len(items) and perf_counter() - start < 0.01:
            k = len(result)
            result += [function(x) for x in items[k : k + 1 + k // 8]]
        _pays = (perf_counter() - start) / len(result) * (len(items) - len(result)) > 0.04
    rest = items[len(result) :]
    if not _pays or not rest:
        return result + [function(x) for x in rest]
    workers = min(max_workers, len(rest))
    size = max(1, len(rest) // (64 * workers))
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("fork")) as executor:
        futures = [executor.submit(_slice, function, rest[i : i + size]) for i in range(0, len(rest), size)]
        answers = [future.result() for future in futures]
    for values, error in answers:
        if error is not None:
            raise error
        result += values
    return result
