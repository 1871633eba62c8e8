"""Makes idle company for its one busy thread, to look like a program on a crowded machine."""

import os
import signal


def double(n):
    return 2 * n


def work(function, items):
    company = []
    for _ in range(2):
        pid = os.fork()
        if pid == 0:
            while True:
                pass
        company.append(pid)
    values = [function(item) for item in items]
    for pid in company:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return values
