"""Takes more processes than it was given."""

from concurrent.futures import ProcessPoolExecutor


def double(n):
    return 2 * n


def work(function, items):
    with ProcessPoolExecutor(8) as pool:
        return list(pool.map(function, items))
