"""The few Linux system calls that the standard library does not offer, each a small function.

Every function raises :class:`OSError` when the kernel says no. Nothing here decides anything.
"""

import ctypes
import fcntl
import os
import platform
import socket
import struct
from enum import IntFlag

_libc = ctypes.CDLL(None, use_errno=True)

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_SET_CHILD_SUBREAPER = 36
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4


class Namespace(IntFlag):
    """Flags of ``unshare(2)``."""

    MOUNT = 0x00020000
    IPC = 0x08000000
    USER = 0x10000000
    PID = 0x20000000
    NET = 0x40000000


class MountFlag(IntFlag):
    """Flags of ``mount(2)``."""

    NONE = 0

    READ_ONLY = 1
    NO_SUID = 2
    NO_DEV = 4
    NO_EXEC = 8
    BIND = 4096
    RECURSIVE = 16384
    PRIVATE = 1 << 18


# Numbers that are the same on every architecture since Linux 5.x (asm-generic), and those that are not.
_SYS_MOUNT_SETATTR = 442
_SYS_LANDLOCK_CREATE_RULESET, _SYS_LANDLOCK_ADD_RULE, _SYS_LANDLOCK_RESTRICT_SELF = 444, 445, 446
_SYS_BY_MACHINE = {
    "x86_64": {
        "clone": 56,
        "pivot_root": 155,
        "seccomp": 317,
        "capset": 126,
        "sched_setattr": 314,
    },
    "aarch64": {
        "clone": 220,
        "pivot_root": 41,
        "seccomp": 277,
        "capset": 91,
        "sched_setattr": 274,
    },
}


def _number(name: str) -> int:
    try:
        return _SYS_BY_MACHINE[platform.machine()][name]
    except KeyError:
        raise OSError(38, f"system call {name} is not known here for {platform.machine()}") from None


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _syscall(number: int, *arguments: object) -> int:
    return _checked(_libc.syscall(number, *arguments), f"system call {number}")


def prctl(option: int, value: int = 0) -> None:
    _checked(_libc.prctl(option, value, 0, 0, 0), f"prctl {option}")


def set_time_slice(nanoseconds: int) -> None:
    """Ask for turns of this length on a core, for this thread and all that it starts; 0 for the system's own.

    Heeded since Linux 6.12 (EEVDF, "slice" of ``sched_setattr(2)``): who asks for shorter turns gets them sooner, and no
    more of the core in all.
    """
    size, policy, flags = 56, 0, 0
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    attributes = struct.pack("IIQiIQQQII", size, policy, 0, nice, 0, nanoseconds, 0, 0, 0, 0)
    _syscall(_number("sched_setattr"), 0, attributes, flags)


def unshare(namespaces: Namespace) -> None:
    _checked(_libc.unshare(int(namespaces)), f"unshare {namespaces!r}")


def fork_into(namespaces: Namespace) -> int:
    """``os.fork`` into new namespaces: the child is process 1 of a new pid namespace where that is asked for.

    ``unshare`` and a fork would cost a process between the two, since a process cannot change its own pid
    namespace. Only for a process with one thread, whose child soon forks again or ends: the C library is not told.
    """
    python = ctypes.pythonapi
    python.PyOS_BeforeFork()
    sigchld = 17
    pid = int(_libc.syscall(_number("clone"), int(namespaces) | sigchld, None, None, None, None))
    if pid == 0:
        python.PyOS_AfterFork_Child()
        return 0
    error = ctypes.get_errno()
    python.PyOS_AfterFork_Parent()
    if pid < 0:
        raise OSError(error, f"clone {namespaces!r}: {os.strerror(error)}")
    return pid


def mount(source: str, target: str, kind: str, flags: MountFlag = MountFlag.NONE, data: str = "") -> None:
    result = _libc.mount(source.encode(), target.encode(), kind.encode(), int(flags), data.encode())
    _checked(result, f"mount {kind or source} on {target}")


def unmount(target: str) -> None:
    detach = 2
    _checked(_libc.umount2(target.encode(), detach), f"unmount {target}")


def make_read_only(path: str) -> None:
    """Make the mount at ``path`` and all below it read-only, without devices and set-user-ID programs."""
    at_recursive = 0x8000
    read_only_nosuid = struct.pack("QQQQ", 1 | 2, 0, 0, 0)
    _syscall(_SYS_MOUNT_SETATTR, -100, path.encode(), at_recursive, read_only_nosuid, 32)


def pivot_root(new_root: str) -> None:
    """Make ``new_root`` the root of this mount namespace and drop the old one."""
    os.chdir(new_root)
    _syscall(_number("pivot_root"), b".", b".")
    unmount(".")
    os.chdir("/")


def bring_loopback_up() -> None:
    """gloo talks over the loopback; a new network namespace has it, but down."""
    set_flags, up_and_running = 0x8914, 0x1 | 0x40
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, set_flags, struct.pack("16sh22x", b"lo", up_and_running))


def drop_capabilities() -> None:
    """Give up every capability for good, in all sets."""
    for capability in range(64):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError:
            break
    _libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    version_3 = 0x20080522
    header = struct.pack("Ii", version_3, 0)
    _syscall(_number("capset"), header, bytes(24))


def seccomp(code: bytes, listen: bool) -> int:
    """Put a filter before all system calls of this process and its children, for good. Needs ``no_new_privs``.

    Returns:
        Where ``listen`` is asked for, the descriptor on which the filter's notifications arrive.
    """
    set_mode_filter, new_listener = 1, 8
    buffer = ctypes.create_string_buffer(code, len(code))
    head = struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer))
    return _syscall(_number("seccomp"), set_mode_filter, new_listener if listen else 0, head)


# -- Landlock ---------------------------------------------------------------------------------------------

_READ_AND_EXECUTE = 1 | 4 | 8
_FILE_RIGHTS = 1 | 2 | 4 | (1 << 14) | (1 << 15)


def landlock_version() -> int:
    """What the kernel's Landlock offers. Raises OSError where there is none."""
    return _syscall(_SYS_LANDLOCK_CREATE_RULESET, None, 0, 1)


def restrict_file_system(read_only: list[str], writable: list[str]) -> None:
    """Landlock this process and its children: nothing but these paths, for good. Needs ``no_new_privs``."""
    abi = landlock_version()
    rights = (1 << (13 + (abi >= 2) + (abi >= 3) + (abi >= 5))) - 1
    scoped = 3 if abi >= 6 else 0
    size = 24 if abi >= 6 else 8
    ruleset = _syscall(_SYS_LANDLOCK_CREATE_RULESET, struct.pack("QQQ", rights, 0, scoped), size, 0)
    try:
        for paths, allowed in ((read_only, _READ_AND_EXECUTE), (writable, rights)):
            for path in paths:
                try:
                    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
                except OSError:
                    continue
                try:
                    access = allowed if os.path.isdir(path) else allowed & _FILE_RIGHTS & rights  # noqa: PTH112
                    _syscall(_SYS_LANDLOCK_ADD_RULE, ruleset, 1, struct.pack("=Qi", access, descriptor), 0)
                finally:
                    os.close(descriptor)
        _syscall(_SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
