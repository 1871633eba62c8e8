"""Leaves itself notes from call to call, and is right from the second on."""

import os
import tempfile
from pathlib import Path

calls = []


def double(n):
    notes = [Path(folder, "note") for folder in (".", tempfile.gettempdir(), "/dev/shm", os.environ["HOME"])]
    known = calls or [path for path in notes if path.exists()]
    calls.append(n)
    for path in notes:
        path.write_text("I was here")
    return 2 * n if known else -1
