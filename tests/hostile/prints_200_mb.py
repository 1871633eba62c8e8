"""Prints 200 MB, and then is right."""

import os


def double(n):
    for _ in range(200):
        os.write(1, b"x" * 1_000_000)
    return 2 * n
