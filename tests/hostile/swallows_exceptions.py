"""Sleeps for ever and lets nothing wake it."""

import signal
import time


def double(n):
    for number in range(1, 32):
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_IGN)
    while True:
        try:
            time.sleep(1000)
        except BaseException:
            pass
