"""Files that reports are written to."""

import os
from pathlib import Path

from autograder.errors import UsageError


def must_be_writable(file: Path | None) -> None:
    """Say before the work that a file cannot be written after it.

    Raises:
        UsageError: It cannot.
    """
    if file is None:
        return
    folder = file.absolute().parent
    if not folder.is_dir():
        raise UsageError(f"{file}: the folder to write it in does not exist; make it first")
    if file.is_dir():
        raise UsageError(f"{file}: a folder, where a file is to be written; name a file in it")
    if not os.access(file if file.exists() else folder, os.W_OK) or _holds_no_files(folder):
        raise UsageError(f"{file}: may not be written by you; choose another place")


def _holds_no_files(folder: Path) -> bool:
    """Whether it is one of the kernel's own, which say of themselves that the superuser may write."""
    return any(folder.is_relative_to(kernel) for kernel in ("/proc", "/sys"))
