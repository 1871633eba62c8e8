"""Prints 200 MB, half of it as errors, and then is right."""

import os


def double(n):
    for stream in (1, 2):
        for _ in range(100):
            os.write(stream, b"x" * 1_000_000)
    return 2 * n
