"""Code of a cell as a module that processes of every start method can import.

A function that is defined in a cell lives in ``__main__``, and a process that is spawned finds no such thing. So the code
becomes a file in a folder of this kernel's own, first on ``sys.path``, which multiprocessing hands on to its processes:
functions are pickled by reference, as those of any module.
"""

import atexit
import importlib
import itertools
import linecache
import os
import shutil
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import psutil

#: Of a kernel's folder; its pid follows.
_PREFIX = "autograder-notebook-"


class Modules:
    """The modules that cells have made, and their folder, which goes with this process."""

    def __init__(self) -> None:
        _sweep()
        self.folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
        atexit.register(_remove, self.folder, os.getpid())
        self._versions = itertools.count(1)

    def file(self, name: str) -> Path:
        """Where the module `name` is, or will be."""
        return self.folder / f"{name}.py"

    def define(self, name: str, text: str) -> ModuleType:
        """Make and import the module `name` anew. Whatever its code raises comes out of here."""
        file = self.file(name)
        file.write_text(text, encoding="utf-8")
        # Python takes compiled code for current by size and whole seconds: a cell is changed more quickly than that.
        version = next(self._versions)
        os.utime(file, (version, version))
        first = str(self.folder)
        if sys.path[:1] != [first]:  # in front of the stub beside the notebook, whatever the student did to the path
            sys.path[:] = [first, *(entry for entry in sys.path if entry != first)]
        sys.modules.pop(name, None)
        importlib.invalidate_caches()
        linecache.checkcache(str(file))
        return importlib.import_module(name)


def _sweep() -> None:
    """Remove what kernels have left that were killed, and so could not do it themselves."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        owner = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if owner.isdecimal() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)  # somebody else's stays: it may not be removed


def _remove(folder: Path, owner: int) -> None:
    """Remove the folder of a kernel that ends, but not when a process ends that was forked from it."""
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)
