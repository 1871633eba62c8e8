"""Copies from a neighbour: looks for the honest student's work wherever submissions may lie."""

import contextlib
import glob
import os
from pathlib import Path

SECRET = "/where/the/hidden/checks/lie"  # the test writes the true path here


def double(n):
    course = Path(SECRET).parent.parent.parent
    found = [course / "submitted" / name / "01_tiny" / "tiny.py" for name in ("aa_honest", "zz_honest")]
    found += map(Path, glob.glob("/tmp/autograder-*/*/tiny.py") + glob.glob("/proc/[0-9]*/cwd/../*/tiny.py"))
    for path in found:
        with contextlib.suppress(OSError):
            if path.resolve() != Path(__file__).resolve() and "quarters" in path.read_text():
                return 2 * n
    raise LookupError("nobody to copy from")
