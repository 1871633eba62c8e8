"""What a call leaves in memory segments and temporary files, seen from outside."""

import os
import shutil
from collections.abc import Collection
from pathlib import Path

from autograder.sandbox import procfs

#: How Python's libraries name their segments.
_SEGMENTS = ("psm_", "torch_", "sem.mp-")
#: Python's own helpers keep their sockets in folders of this name for as long as they live.
_HELPERS_FOLDER = "pymp-"


def segments(caller: int, scratch: str) -> frozenset[str]:
    """Names of the shared memory that the processes of a call made, and perhaps others before it.

    Raises:
        OSError: The caller is gone.
    """
    if not procfs.LINUX:
        return frozenset()
    folder = _root(caller) / "dev/shm"
    owner = (_root(caller) / scratch[1:]).stat().st_uid
    shared = owner == os.geteuid() and folder.stat().st_dev == Path("/dev/shm").stat().st_dev
    # Beside other programs of the same user, only what Python's libraries name can be told to be the call's.
    return frozenset(name for name in _names(folder, owner) if not shared or name.startswith(_SEGMENTS))


def in_use_elsewhere(names: frozenset[str], ours: Collection[int]) -> frozenset[str]:
    """Those of the segments ``names`` that a process which is none of ``ours`` has mapped: they are another program's."""
    found: set[str] = set()
    if not (names and procfs.LINUX):
        return frozenset()
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):  # noqa: PTH208 - no need for paths
        if pid not in ours:
            found |= names & procfs.mapped_segments(pid)
    return frozenset(found)


def temporary_files(caller: int, scratch: str) -> frozenset[str]:
    """Names of what lies in the call's folder for temporary files."""
    found = _names(_root(caller) / scratch[1:] / "tmp")
    return frozenset(name for name in found if not name.startswith(_HELPERS_FOLDER))


def used_kib(folders: tuple[Path, ...], owner: int, most: int) -> int:
    """What the files of ``owner`` in ``folders`` take; an empty one counts too. Not counted any further than ``most``."""
    total = 0
    pending = [str(folder) for folder in folders]
    while pending and total <= most:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    status = entry.stat(follow_symlinks=False)
                    if status.st_uid == owner:
                        total += max(1, status.st_blocks // 2)
                        if entry.is_dir(follow_symlinks=False):
                            pending.append(entry.path)
        except OSError:
            continue
    return total


def sweep(user: int) -> None:
    """Remove all shared memory of a user who is nobody but the sandbox: it would wait there for the next call."""
    if not procfs.LINUX:
        return
    for name in _names(Path("/dev/shm"), user):
        path = Path("/dev/shm", name)
        if path.is_dir() and not path.is_symlink():
            remove(path)
        else:
            path.unlink(missing_ok=True)


def remove(folder: Path) -> None:
    """Remove the folder of a call, also where the submission left parts of it that may not be entered."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        for here, inside, _ in os.walk(folder):  # comes to a folder after the one above it has been opened
            for path in (Path(here, name) for name in inside):
                if not path.is_symlink():
                    path.chmod(0o700)
        shutil.rmtree(folder, ignore_errors=True)


def _root(pid: int) -> Path:
    """Where the file system that a process sees can be read from outside."""
    return procfs.root_of(pid) if procfs.LINUX else Path("/")


def _names(folder: Path, owner: int | None = None) -> frozenset[str]:
    """Names in a folder that a submission may have tampered with: a link in its place is not followed."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return frozenset()
    try:
        with os.scandir(descriptor) as entries:
            found = [entry for entry in entries if owner is None or entry.stat(follow_symlinks=False).st_uid == owner]
        return frozenset(entry.name for entry in found)
    except OSError:
        return frozenset()
    finally:
        os.close(descriptor)
