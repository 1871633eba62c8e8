"""Stops its process, so that it neither works nor ends."""

import os
import signal


def double(n):
    os.kill(os.getpid(), signal.SIGSTOP)
    return 2 * n
