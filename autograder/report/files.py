"""Files that reports are written to."""

import os
import tempfile
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
    if not (os.access(file, os.W_OK) if file.exists() else _takes_files(folder)):
        raise UsageError(f"{file}: may not be written by you; choose another place")


def _takes_files(folder: Path) -> bool:
    """Whether a file can be made in it: tried, since to the superuser every folder says that it may be written."""
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True
