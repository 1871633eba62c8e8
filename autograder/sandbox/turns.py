"""Fine turns on the cores, for what runs in the sandbox and for who watches it.

Processes that share a core take turns of some milliseconds. What is woken in between waits for the end of such a turn, and
by that a lock or a queue makes other processes late too, which no counter tells. With turns as short as the system allows
the cores are shared out evenly even over a few milliseconds, and who is woken runs almost at once, beside busy neighbours
as on an idle machine. Nobody gets more of a core by it.
"""

import contextlib
import sys
from collections.abc import Iterator

from autograder.sandbox import kernel

#: Length of a turn, in nanoseconds: the shortest that Linux knows.
FINE = 100_000
_USUAL = 0


def take_fine_turns() -> None:
    """For this thread and all that it starts from now on; where the system knows no such thing, nothing."""
    _ask_for(FINE)


@contextlib.contextmanager
def fine_turns() -> Iterator[None]:
    """For this thread, for a while."""
    _ask_for(FINE)
    try:
        yield
    finally:
        _ask_for(_USUAL)


def _ask_for(nanoseconds: int) -> None:
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            kernel.set_time_slice(nanoseconds)
