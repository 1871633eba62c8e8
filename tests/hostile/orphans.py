"""Leaves twenty processes behind, each in a session of its own and forked twice."""

import os
import signal


def double(n):
    reader, writer = os.pipe()
    for _ in range(20):
        pid = os.fork()
        if pid == 0:
            os.setsid()
            if os.fork() == 0:
                os.write(writer, b".")
                signal.pause()
            os._exit(0)
        os.waitpid(pid, 0)
    begun = 0
    while begun < 20:
        begun += len(os.read(reader, 20))
    return 2 * n
