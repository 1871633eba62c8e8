"""Looks into the memory and at the descriptors of every other process, and is right if it sees anything."""

import contextlib
import ctypes
import glob
import os

PTRACE_SEIZE = 0x4206


def double(n):
    libc = ctypes.CDLL(None, use_errno=True)
    for path in glob.glob("/proc/[0-9]*"):
        pid = int(path[6:])
        if pid == os.getpid():
            continue
        if libc.ptrace(PTRACE_SEIZE, pid, None, None) == 0:
            return 2 * n
        for name in ("maps", "environ"):
            with contextlib.suppress(OSError), open(f"{path}/{name}", "rb") as stream:
                if stream.read(1):  # a kernel's thread can be opened, and has nothing
                    return 2 * n
        for name in ("cwd", "exe", "fd/0"):
            with contextlib.suppress(OSError):
                os.readlink(f"{path}/{name}")
                return 2 * n
    raise LookupError("nobody can be read")
