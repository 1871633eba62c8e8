"""Leaves itself a note in shared memory, which may be the machine's, and is right from the second call on."""

from pathlib import Path

NOTE = Path("/dev/shm/a-note-of-the-last-call")
KNOWN = NOTE.exists()
NOTE.write_text("I was here")


def double(n):
    return 2 * n if KNOWN else -1
