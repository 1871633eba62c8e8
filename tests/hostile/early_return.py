"""Says that it has returned, and does the work then, one item after the other."""

import os
import signal
import struct

import msgpack


def double(n):
    return 2 * n


def tell(**message):
    data = msgpack.packb(message)
    os.write(3, struct.pack(">Q", len(data)) + data)


def work(function, items):
    tell(kind="returned")
    tell(kind="value", value=[function(item) for item in items])
    os.write(3, os.read(3, 4096))  # the grader's last word, which is to be repeated
    while True:
        signal.pause()
