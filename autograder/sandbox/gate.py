"""The gate between a submission and the kernel (seccomp): what is refused, and what is announced to the grader first.

Refused is what would get round the limits or the walls, and what no exercise needs:

- the system calls of another architecture (32-bit ones on x86_64), which this filter does not know by their numbers;
- new namespaces: in one of its own a submission could mount file systems, whose memory nobody counts;
- memory that no process shows (memfd, System V segments), queues and keys, which outlive the process that made them;
- limits of other processes, which the same user could set for the grader;
- io_uring, which does what it is asked past this filter, and the families of sockets that lead out of a virtual machine or
  into rarely used parts of the kernel.

At level ``landlock``, which knows no right to change the owner, mode or attributes of a file, those calls do nothing.

Announced are exits and signals, so that no process ends between two looks. Where there is no network namespace, an internet
socket is announced, too: the grader makes it, bound to the loopback's device, which nobody can undo without privileges. It
decides by numbers alone, never by memory that may change after it was looked at.
"""

import errno
import fcntl
import functools
import platform
import socket
import struct
from enum import Enum, IntEnum, auto
from typing import NamedTuple

from autograder.sandbox import kernel
from autograder.sandbox.levels import Isolation

# Numbers of system calls: x86_64, aarch64.
_NUMBERS: dict[str, tuple[int, int | None]] = {
    "exit_group": (231, 94),
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424),
    "setpriority": (141, 140),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "sched_setaffinity": (203, 122),
    "sched_setattr": (314, 274),
    "socket": (41, 198),
    "clone": (56, 220),
    "clone3": (435, 435),
    "unshare": (272, 97),
    "setns": (308, 268),
    "io_uring_setup": (425, 425),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "prlimit64": (302, 261),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "setxattrat": (463, 463),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "removexattrat": (466, 466),
}
_MACHINES = ("x86_64", "aarch64")
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
#: From here on the numbers on x86_64 are those of x32, an architecture that calls itself by the same name.
_FIRST_OF_X32 = 0x40000000

_ENDINGS = ("exit_group",)
_SIGNALS = ("kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal")
#: Threads that do not compete for the cores on equal terms would deceive the corrected clock.
_TUNING = ("setpriority", "sched_setparam", "sched_setscheduler", "sched_setaffinity", "sched_setattr")
#: As a kernel answers that was built without them, so that libraries take their other way.
_ABSENT = (
    *("io_uring_setup", "clone3", "memfd_create", "memfd_secret"),
    *("shmget", "semget", "msgget", "mq_open", "add_key", "request_key", "keyctl"),
)
_CHANGES_OF_FILES = (
    *("chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat"),
    *("setxattr", "lsetxattr", "fsetxattr", "setxattrat"),
    *("removexattr", "lremovexattr", "fremovexattr", "removexattrat"),
)
#: Mount, cgroup, UTS, IPC, user, pid and network namespaces, and for ``unshare`` that of clocks.
_NEW_NAMESPACES = 0x7E020000
_NEW_TIME_NAMESPACE = 0x80
_FAMILIES = (socket.AF_UNIX, 16)  # 16: netlink, by which gloo and Python ask for the interfaces
_INTERNET = (socket.AF_INET, socket.AF_INET6)

_LOAD, _EQUAL, _AT_LEAST, _HAS_ANY, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_NOTIFICATION = struct.Struct("=QII iI Q 6Q")  # id, pid, flags, then seccomp_data: nr, arch, ip, args
_RESPONSE = struct.Struct("=QqiI")  # id, value, error, flags
_ADDED = struct.Struct("=QIIII")  # id, flags, our descriptor, theirs, its flags
_RECEIVE, _SEND, _ADD = 0xC0502100, 0xC0182101, 0x40182103
_CONTINUE, _ADD_AND_ANSWER = 1, 2

Instruction = tuple[int, int, int, int]  # the operation, how many to skip when it holds and when not, its operand


class _Action(IntEnum):
    """What becomes of a system call; a refusal carries its error number."""

    ALLOW = 0x7FFF0000
    ANNOUNCE = 0x7FC00000
    REFUSE = 0x00050000


class Wish(Enum):
    """What a process has announced."""

    #: To end itself.
    EXIT = auto()
    #: To send a signal, which may end another.
    SIGNAL = auto()
    #: To have an internet socket.
    SOCKET = auto()


class Announcement(NamedTuple):
    """What a process wants to do, for which it waits until it is answered."""

    id: int
    #: The process's pid as the reader's namespace has it.
    pid: int
    wish: Wish
    arguments: tuple[int, ...]


def install(isolation: Isolation) -> list[int]:
    """Put the gate before this process and all that it starts, for good. Needs ``no_new_privs``.

    Returns:
        The descriptor on which the announcements arrive (see :func:`next_announcement`), or nothing where this machine
        has no announcements or another program hears them already: then exits and signals go unheard, and at the level
        without a network namespace internet sockets are refused.

    Raises:
        OSError: This machine has no seccomp, or is of an architecture whose numbers are not known here.
    """
    _architecture()
    try:
        return [kernel.seccomp(_program(isolation, heard=True), listen=True)]
    except OSError:
        kernel.seccomp(_program(isolation, heard=False), listen=False)
        return []


def try_out() -> None:
    """Whether there can be a gate, without one; to be called in a process that is not needed any more.

    Raises:
        OSError: As for :func:`install`.
    """
    _architecture()
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.seccomp(_code([(_RETURN, 0, 0, _Action.ALLOW)]), listen=False)


def prepare(isolation: Isolation) -> None:
    """Put the gate's program together beforehand, for all processes that will be forked from this one."""
    for heard in (True, False):
        _program(isolation, heard)


def next_announcement(listener: int) -> Announcement:
    """The next announcement; to be answered by :func:`go_on` or :func:`give_loopback_socket`.

    Raises:
        OSError: The process died meanwhile; there is nothing to answer.
    """
    raw = bytearray(_NOTIFICATION.size)
    fcntl.ioctl(listener, _RECEIVE, raw)
    identity, pid, _, number, _, _, *arguments = _NOTIFICATION.unpack(raw)
    wish = {_number("exit_group"): Wish.EXIT, _number("socket"): Wish.SOCKET}.get(number, Wish.SIGNAL)
    return Announcement(identity, pid, wish, tuple(arguments))


def go_on(listener: int, announcement: Announcement) -> None:
    """Let the process do what it has announced."""
    fcntl.ioctl(listener, _SEND, bytearray(_RESPONSE.pack(announcement.id, 0, 0, _CONTINUE)))


def give_loopback_socket(listener: int, announcement: Announcement) -> None:
    """Give the process the TCP socket that it wants, on the loopback's device; any other kind is refused.

    Not UDP: with each of its messages it can name another device.
    """
    family, kind, protocol = (value & 0xFFFFFFFF for value in announcement.arguments[:3])
    flags = kind & (socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        if kind & ~flags != socket.SOCK_STREAM or protocol not in (0, socket.IPPROTO_TCP):
            raise OSError(errno.EACCES, "no socket that could leave the machine")
        with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as made:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo\0")
            made.setblocking(not flags & socket.SOCK_NONBLOCK)
            theirs = flags & socket.SOCK_CLOEXEC
            fcntl.ioctl(listener, _ADD, _ADDED.pack(announcement.id, _ADD_AND_ANSWER, made.fileno(), 0, theirs))
    except OSError as error:
        number = -(error.errno or errno.EACCES)
        fcntl.ioctl(listener, _SEND, bytearray(_RESPONSE.pack(announcement.id, 0, number, 0)))


_OF_ITSELF: list[Instruction] = [
    (_LOAD, 0, 0, _FIRST_ARGUMENT),
    (_EQUAL, 0, 1, 0),
    (_RETURN, 0, 0, _Action.ALLOW),
    (_RETURN, 0, 0, _Action.REFUSE | errno.EPERM),
]


@functools.cache
def _program(isolation: Isolation, heard: bool) -> bytes:
    announce = _Action.ANNOUNCE if heard else _Action.ALLOW
    internet: int = _Action.ALLOW
    if isolation is Isolation.LANDLOCK:
        internet = _Action.ANNOUNCE if heard else _refusal(errno.EACCES)
    actions: dict[str, int] = dict.fromkeys((*_ENDINGS, *_SIGNALS), announce)
    actions |= dict.fromkeys(_TUNING, _refusal(0))  # done nothing, and said that it was done
    actions |= dict.fromkeys(_ABSENT, _refusal(errno.ENOSYS))
    actions |= {"setns": _refusal(errno.EPERM)}
    if isolation is Isolation.LANDLOCK:
        actions |= dict.fromkeys(_CHANGES_OF_FILES, _refusal(0))
    program: list[Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, _architecture()),
        (_RETURN, 0, 0, _refusal(errno.ENOSYS)),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _FIRST_OF_X32),
        (_RETURN, 0, 0, _refusal(errno.ENOSYS)),
    ]
    for name, action in actions.items():
        program += _rule(name, [(_RETURN, 0, 0, action)])
    program += _rule("clone", _without(_NEW_NAMESPACES))
    program += _rule("unshare", _without(_NEW_NAMESPACES | _NEW_TIME_NAMESPACE))
    program += _rule("prlimit64", _OF_ITSELF)
    program += _rule("socket", _by_family(internet))
    return _code([*program, (_RETURN, 0, 0, _Action.ALLOW)])


def _rule(name: str, body: list[Instruction]) -> list[Instruction]:
    """Run ``body``, of which every way ends in a return, for this system call, where there is one of this name."""
    number = _number(name)
    return [] if number is None else [(_EQUAL, 0, len(body), number), *body]


def _without(flags: int) -> list[Instruction]:
    return [
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_HAS_ANY, 0, 1, flags),
        (_RETURN, 0, 0, _refusal(errno.EPERM)),
        (_RETURN, 0, 0, _Action.ALLOW),
    ]


def _by_family(internet: int) -> list[Instruction]:
    actions = dict.fromkeys(_FAMILIES, int(_Action.ALLOW)) | dict.fromkeys(_INTERNET, internet)
    body: list[Instruction] = [(_LOAD, 0, 0, _FIRST_ARGUMENT)]
    for family, action in actions.items():
        body += [(_EQUAL, 0, 1, family), (_RETURN, 0, 0, action)]
    return [*body, (_RETURN, 0, 0, _refusal(errno.EAFNOSUPPORT))]


def _refusal(number: int) -> int:
    return _Action.REFUSE | number


def _code(program: list[Instruction]) -> bytes:
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def _architecture() -> int:
    try:
        return _ARCHITECTURES[platform.machine()]
    except KeyError:
        raise OSError(errno.ENOSYS, f"system calls are not known here for {platform.machine()}") from None


def _number(name: str) -> int | None:
    return _NUMBERS[name][_MACHINES.index(platform.machine())]
