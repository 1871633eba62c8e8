"""Demonstrations leave nothing behind."""

import threading
import time
from collections.abc import Iterator

import psutil
import pytest


def _children() -> set[int]:
    """Pids of the processes below this one, but for Python's own helper."""
    found = set()
    for child in psutil.Process().children(recursive=True):
        try:
            if not any("resource_tracker" in word for word in child.cmdline()):
                found.add(child.pid)
        except psutil.NoSuchProcess:
            continue
        except psutil.ZombieProcess:  # nobody has waited for it: left, too
            found.add(child.pid)
    return found


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Whatever a test in this folder does, no process and no thread is left of it."""
    children, threads = _children(), set(threading.enumerate())
    yield
    assert set() == _children() - children, "left running"
    until = time.monotonic() + 10
    while (left := set(threading.enumerate()) - threads) and time.monotonic() < until:
        time.sleep(0.01)  # a thread that has been joined may be in the list for a moment
    assert set() == left
