"""Gives the answer itself, in the place of the code that should, and ends at once."""

import os
import struct

import msgpack


def tell(**message):
    data = msgpack.packb(message)
    os.write(3, struct.pack(">Q", len(data)) + data)


def double(n):
    tell(kind="returned")
    tell(kind="value", value=2 * n)
    os._exit(0)
