"""Runs in the sandbox for a calibration: work that is the same every time. Imports nothing of ours."""

import os


def burn(processes: int, steps: int) -> None:
    """So many processes at once, each of which does so many steps."""
    for _ in range(processes):
        if os.fork() == 0:
            value = 0.1
            for _ in range(steps):
                value = value * 1.0000001 + 0.5
            os._exit(0)
    for _ in range(processes):
        os.wait()
