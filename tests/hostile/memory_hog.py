"""Takes all memory that it can get, in several processes and where it is shared."""

import mmap
import os


def double(n):
    os.fork()
    kept = []
    while True:
        kept.append(mmap.mmap(-1, 1 << 20))
        kept[-1].write(b"x" * (1 << 20))
        kept.append(bytearray(1 << 20))
