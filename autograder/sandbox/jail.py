"""Builds the walls: what the zygote does once, and what each call's processes do to themselves.

At level ``namespaces`` the zygote moves into a root of its own, made of read-only binds of what Python needs
and nothing else, so that neither solutions nor other students' files nor the grader exist there. Each call then
gets new pid, IPC and mount namespaces with a fresh /proc, /dev/shm, /submission and /scratch. All calls of a
zygote share one network namespace that holds a loopback only: nothing of a call survives it to meet the next
one there.
"""

import contextlib
import errno
import functools
import os
import resource
import site
import stat
import sys
import sysconfig
import tempfile
from pathlib import Path

from autograder.records import Limits
from autograder.sandbox import gate, kernel
from autograder.sandbox.kernel import MountFlag, Namespace
from autograder.sandbox.levels import Isolation

CODE = "/submission"
SCRATCH = "/scratch"

_PER_CALL = Namespace.PID | Namespace.IPC | Namespace.MOUNT
_SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/sys/devices/system")
_CONFIGURATION = (
    "/etc/ld.so.cache",
    "/etc/passwd",
    "/etc/group",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/localtime",
    "/etc/alternatives",
)
#: gloo takes it for a fault when it may not look here; behind namespaces there is nothing to look at.
_ASKED_BY_GLOO = ("/sys/bus/pci/devices", "/sys/devices")
_DEVICES = ("null", "zero", "full", "random", "urandom")
#: More than the zygote and a warden, which may count as the same user's.
_OUR_PROCESSES = 8
#: The version of Landlock from which on signals stay inside.
_SCOPED_SIGNALS = 6
#: What this user may start beside a call, where both count as the same user's.
_ROOM = 500
_LIBRARY_FOLDERS = ("site-packages", "dist-packages")


def sandbox_user(zygote: int) -> int | None:
    """The user that a zygote's calls run as, where this process may choose: one that no account should have."""
    return 60_000 + zygote % 5_000 if os.geteuid() == 0 else None


def enter(isolation: Isolation) -> None:
    """What the zygote does once, before anything is forked.

    Raises:
        OSError: This machine does not allow the level.
    """
    if isolation is Isolation.NAMESPACES:
        _enter_namespaces()
    elif isolation is Isolation.LANDLOCK:
        if kernel.landlock_version() < _SCOPED_SIGNALS and os.geteuid() != 0:
            raise OSError(errno.ENOTSUP, "before Linux 6.12 a submission could send signals to all that this user runs")
        _check_readable_by_others()
    if isolation.holds_strangers:
        gate.prepare(isolation)


def try_out(isolation: Isolation) -> None:
    """Enter, in a process that is not needed any more, and see whether all can be had that the level stands for.

    Raises:
        OSError: This machine does not allow the level.
    """
    enter(isolation)
    if isolation.holds_strangers:
        gate.try_out()


def fork_warden(isolation: Isolation) -> int:
    """Fork the process that watches over one call; returns its pid, or 0 in the child."""
    if isolation is Isolation.NAMESPACES:
        return kernel.fork_into(_PER_CALL)
    return os.fork()


def furnish(isolation: Isolation, limits: Limits, user: int | None) -> None:
    """What a warden does before it forks the runner: mounts of its own, or the role of a subreaper."""
    if isolation is not Isolation.NAMESPACES:
        if sys.platform == "linux":
            kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)  # orphans come to the warden, which is there to be found
        return
    size = f"size={limits.files_mb}m,nr_inodes=64k"  # an empty file takes memory, too
    plain = MountFlag.NO_SUID | MountFlag.NO_DEV
    kernel.mount("proc", "/proc", "proc", plain | MountFlag.NO_EXEC)
    kernel.unmount("/.proc")
    kernel.mount("tmpfs", "/dev/shm", "tmpfs", plain, f"{size},mode=1777")
    kernel.mount("tmpfs", CODE, "tmpfs", plain, "size=8m,mode=755")
    kernel.mount("tmpfs", SCRATCH, "tmpfs", plain, f"{size},mode=700")
    if user is not None:
        os.chown(SCRATCH, user, user)


def confine(isolation: Isolation, limits: Limits, user: int | None, code: str, scratch: str) -> None:
    """What a runner does to itself, after which the student's code may run. There is no way back."""
    _limit(limits)
    # Only for what is too quick for the watcher, which counts what the call does: the system counts by users.
    most = limits.processes + _OUR_PROCESSES
    if isolation is Isolation.NAMESPACES or user is not None:
        _at_most(resource.RLIMIT_NPROC, most)
    elif sys.platform == "linux":
        _at_most(resource.RLIMIT_NPROC, most + _tasks_of_this_user() + _ROOM)
    if isolation is Isolation.PROCESS:
        return
    if user is not None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    elif isolation is Isolation.NAMESPACES:
        kernel.make_read_only(CODE)  # the user who runs the submission owns it, too
        kernel.drop_capabilities()
    # Memory and descriptors of a process that changed its user are closed to ptrace until it says otherwise:
    # Python's own helpers need their /proc entries, and the namespaces hold the rest off.
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    if isolation is Isolation.LANDLOCK:
        devices = [f"/dev/{name}" for name in _DEVICES]  # not the terminals, which may be of the same user
        readable = [*_SYSTEM, *_CONFIGURATION, *_python_folders(), *_ASKED_BY_GLOO, "/proc", *devices, code]
        kernel.restrict_file_system(readable, [scratch, "/dev/shm", "/dev/null"])


def _at_most(which: int, amount: int) -> None:
    hard = resource.getrlimit(which)[1]
    amount = amount if hard == resource.RLIM_INFINITY else min(amount, hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(which, (amount, amount))


def _limit(limits: Limits) -> None:
    megabyte = 1024 * 1024
    _at_most(resource.RLIMIT_CORE, 0)
    _at_most(resource.RLIMIT_CPU, int(limits.cpu_seconds) + 1)
    _at_most(resource.RLIMIT_FSIZE, limits.files_mb * megabyte)
    _at_most(resource.RLIMIT_NOFILE, 4096)
    if sys.platform == "linux":
        # The true limit is on the whole tree and the watcher keeps it. This one is for what is too quick for a watcher;
        # it counts address space, of which threads reserve much that they never touch: so it is wide.
        _at_most(resource.RLIMIT_AS, _address_space() + 4 * limits.memory_mb * megabyte)
        # Where memory runs out nevertheless, the kernel shall end the call and nothing else.
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000")


def _tasks_of_this_user() -> int:
    """Processes and threads that this user runs on the machine now."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*/task"):
        with contextlib.suppress(OSError):
            status = folder.stat()
            total += status.st_nlink - 2 if status.st_uid == os.getuid() else 0  # a folder for each thread
    return total


def _address_space() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def _check_readable_by_others() -> None:
    if os.geteuid() != 0:
        return
    for folder in _python_folders():
        for path in (Path(folder), *Path(folder).parents):
            if not path.stat().st_mode & stat.S_IXOTH:
                raise OSError(errno.EACCES, f"the unprivileged user of the sandbox may not read {path}")


@functools.cache
def _python_folders() -> tuple[str, ...]:
    """Where the interpreter and the installed packages lie, and nothing of the grader's own source tree."""
    folders = {sys.prefix, sys.base_prefix, sys.exec_prefix, sysconfig.get_path("stdlib")}
    folders.update(path for path in sys.path if Path(path).name in _LIBRARY_FOLDERS)
    folders.update(path for path in site.getsitepackages() if Path(path).is_dir())
    folders.add(str(Path(sys.executable).resolve().parent.parent))
    real = sorted({str(Path(folder).absolute()) for folder in folders if Path(folder).is_dir()})
    covered = [*_SYSTEM]
    needed = []
    for folder in real:
        if folder != "/" and not any(Path(folder).is_relative_to(cover) for cover in covered):
            covered.append(folder)
            needed.append(folder)
    return tuple(needed)


def _enter_namespaces() -> None:
    uid, gid = os.getuid(), os.getgid()
    rootless = os.geteuid() != 0
    kernel.unshare(Namespace.MOUNT | Namespace.NET | (Namespace.USER if rootless else Namespace(0)))
    if rootless:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    kernel.bring_loopback_up()
    kernel.mount("", "/", "", MountFlag.RECURSIVE | MountFlag.PRIVATE)
    # The folder is only the place where the new root is put together, in a mount namespace that nobody else sees.
    place = tempfile.mkdtemp(prefix="autograder-root-")
    kernel.mount("tmpfs", place, "tmpfs", MountFlag.NO_SUID, "size=1m,mode=755")
    root = Path(place)
    for path in (*_SYSTEM, *_CONFIGURATION, *_python_folders()):
        _show(Path(path), root)
    for folder in ("proc", ".proc", "dev/shm", "tmp", CODE[1:], SCRATCH[1:]):
        _make_folder(root / folder)
    for name in _DEVICES:
        (root / "dev" / name).touch()
        kernel.mount(f"/dev/{name}", f"{place}/dev/{name}", "", MountFlag.BIND)
    for name, target in (("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        (root / "dev" / name).symlink_to(f"/proc/self/{target}")
    # A new /proc may be mounted without privileges only where an old one is in sight; the warden takes it away.
    kernel.mount("/proc", f"{place}/.proc", "", MountFlag.BIND | MountFlag.RECURSIVE)
    kernel.make_read_only(place)
    old_place = os.open(tempfile.gettempdir(), os.O_PATH | os.O_CLOEXEC)
    try:
        kernel.pivot_root(place)
        # The mount is gone from the old tree with this process's view of it; the empty folder goes through the
        # descriptor, which still leads there.
        os.rmdir(Path(place).name, dir_fd=old_place)
    finally:
        os.close(old_place)


def _show(path: Path, root: Path) -> None:
    """Bind ``path`` to the same place under ``root``; a symbolic link is made again as a link."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return
    target = root / path.relative_to("/")
    _make_folder(target.parent)
    if stat.S_ISLNK(mode):
        if not target.is_symlink():
            target.symlink_to(path.readlink())
        return
    if stat.S_ISDIR(mode):
        _make_folder(target)
    else:
        target.touch()
    kernel.mount(str(path), str(target), "", MountFlag.BIND | MountFlag.RECURSIVE)


def _make_folder(path: Path) -> None:
    # Not mkdir's own parents: those would get the mode that the umask leaves, and the sandbox's user must pass.
    if not path.exists():
        _make_folder(path.parent)
        path.mkdir()
        path.chmod(0o755)
