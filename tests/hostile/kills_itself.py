"""Kills its own process."""

import os


def double(n):
    os.kill(os.getpid(), 9)
