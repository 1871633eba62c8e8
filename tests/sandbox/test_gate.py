"""What a submission may not even ask of the kernel, at the levels that hold strangers."""

import errno
import platform
import socket
from collections.abc import Callable

import psutil
import pytest

from autograder.sandbox import Isolation, Outcome, ZygoteSandbox

Run = Callable[..., Outcome]

pytestmark = pytest.mark.usefixtures("strong")

#: ``ask(number, *arguments)`` is what the kernel says: a result, or the name of an error.
ASK = """
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long

def ask(number, *arguments):
    result = libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments))
    return errno.errorcode[ctypes.get_errno()] if result < 0 else result
"""

x86_64_only = pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers are those of x86_64")

#: mov eax, 20 (getpid); int 0x80; ret
CALL_OF_32_BIT = "b8 14 00 00 00 cd 80 c3"
IN_32_BIT = f"""
import ctypes, mmap
def f():
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(bytes.fromhex("{CALL_OF_32_BIT}"))
    return ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
"""


@x86_64_only
def test_calls_of_another_architecture_are_refused(run: Run) -> None:
    """A 32-bit system call, whose number would mean another one here, is answered as if the kernel knew none."""
    assert -errno.ENOSYS == run(IN_32_BIT).value


@x86_64_only
def test_calls_of_x32_are_refused(run: Run) -> None:
    """Nor are there those of x32, which say that they are of this architecture."""
    assert "ENOSYS" == run(f"{ASK}\ndef f(): return ask(0x40000000 + 39)").value


@x86_64_only
@pytest.mark.parametrize(
    ("what", "call", "answer"),
    [
        ("a user namespace", "272, 0x10000000", "EPERM"),
        ("a mount namespace", "272, 0x20000", "EPERM"),
        ("a child in a user namespace", "56, 0x10000000 | 17, 0, 0, 0, 0", "EPERM"),
        ("another process's namespace", "308, 3, 0", "EPERM"),
        ("flags that cannot be seen", "435, 0, 0", "ENOSYS"),
        ("io_uring", "425, 1, 0", "ENOSYS"),
        ("a file without a name", "319, 0, 0", "ENOSYS"),
        ("a segment of System V", "29, 0, 4096, 0o1600", "ENOSYS"),
        ("a queue that stays", "68, 0, 0o1600", "ENOSYS"),
        ("a key that stays", "250, 0, -4, 1", "ENOSYS"),
        ("limits for its parent", "302, os.getppid(), 7, 0, 0", "EPERM"),
    ],
)
def test_what_no_exercise_needs_is_refused(run: Run, what: str, call: str, answer: str) -> None:
    """What would get round the limits, or stay when the call is over, cannot be had."""
    assert answer == run(f"{ASK}\ndef f(): return ask({call})").value, what


def test_plain_forks_and_own_limits_are_granted(run: Run) -> None:
    """What the refusals leave: a child, a thread, and the limits of one's own process."""
    outcome = run(
        """
        import os, resource, threading
        def f():
            pid = os.fork()
            if not pid: os._exit(0)
            thread = threading.Thread(target=print); thread.start(); thread.join()
            resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
            return os.waitpid(pid, 0)[1], resource.getrlimit(resource.RLIMIT_NOFILE)
        """
    )
    assert (0, (100, 100)) == outcome.value, outcome


@pytest.mark.parametrize(
    ("family", "kind", "granted"),
    [
        (socket.AF_UNIX, socket.SOCK_STREAM, {"namespaces", "landlock"}),
        (16, socket.SOCK_RAW, {"namespaces", "landlock"}),  # netlink, which gloo needs
        (socket.AF_INET, socket.SOCK_STREAM, {"namespaces", "landlock"}),
        (socket.AF_INET6, socket.SOCK_STREAM, {"namespaces", "landlock"}),
        (socket.AF_INET, socket.SOCK_DGRAM, {"namespaces"}),
        (socket.AF_INET, socket.SOCK_RAW, set()),
        (17, socket.SOCK_RAW, set()),  # packets
        (38, socket.SOCK_SEQPACKET, set()),  # the kernel's ciphers
        (40, socket.SOCK_STREAM, set()),  # from a virtual machine to its host
    ],
)
def test_sockets_are_granted_by_family_and_kind(
    run: Run, strong: ZygoteSandbox, family: int, kind: int, granted: set[str]
) -> None:
    """Without a network of its own a submission has no UDP; and nowhere a socket that leaves by another way."""
    outcome = run(
        """
        import socket
        def f(family, kind):
            try: socket.socket(family, kind).close()
            except OSError: return False
            return True
        """,
        int(family),
        int(kind),
    )
    assert (str(strong.isolation) in granted) is outcome.value, outcome


def test_a_server_and_its_client_meet_on_the_loopback(run: Run) -> None:
    """TCP works between a call's own processes, in both flavours, blocking or not, and is not handed to programs."""
    outcome = run(
        """
        import os, socket
        def f():
            heard = []
            for address in ("127.0.0.1", "::1"):
                family = socket.AF_INET6 if ":" in address else socket.AF_INET
                with socket.create_server((address, 0), family=family) as server:
                    if not os.fork():
                        with socket.create_connection(server.getsockname()[:2], 5) as client: client.sendall(b"hello")
                        os._exit(0)
                    with server.accept()[0] as client: heard.append(client.recv(5))
                    os.wait()
            with socket.socket(type=socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as one:
                return heard, one.getblocking(), one.get_inheritable()
        """
    )
    assert ([b"hello", b"hello"], False, False) == outcome.value, outcome


REACH = """
import socket
def f(address):
    try: socket.create_connection(tuple(address), 1).close()
    except OSError: return False
    return True
"""


def test_other_addresses_of_the_machine_are_out_of_reach(run: Run) -> None:
    """A server on the machine's address in its network is reached from here, and not by a submission."""
    own = [
        address.address
        for name, addresses in psutil.net_if_addrs().items()
        for address in addresses
        if address.family == socket.AF_INET and name != "lo" and not address.address.startswith("127.")
    ]
    if not own:
        pytest.skip("this machine has no network beyond its loopback")
    with socket.create_server((own[0], 0)) as server:
        address = server.getsockname()
        socket.create_connection(address, 5).close()
        assert False is run(REACH, list(address)).value


def test_a_socket_cannot_leave_the_loopback(run: Run, strong: ZygoteSandbox) -> None:
    """Where the network is the machine's, a socket belongs to the loopback's device, and no option takes it away."""
    if strong.isolation is not Isolation.LANDLOCK:
        pytest.skip(f"level '{strong.isolation}' has a network of its own")
    outcome = run(
        """
        import socket
        def f():
            def free(option, value):
                try: made.setsockopt(socket.SOL_SOCKET, option, value)
                except OSError: return False
                return True
            with socket.socket() as made:
                tries = [free(socket.SO_BINDTODEVICE, b""), free(socket.SO_BINDTODEVICE, b"eth0"), free(62, 0), free(62, 2)]
                return tries, made.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16)
        """
    )
    assert ([False] * 4, b"lo\0") == outcome.value, "62 is SO_BINDTOIFINDEX"


def test_files_of_others_keep_their_mode(run: Run, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Landlock does not watch over modes: a file of the same user, whose name is known, keeps its own nevertheless."""
    file = tmp_path_factory.mktemp("modes") / "gradebook.db"
    file.touch()
    for folder in (file.parent, file.parent.parent, file.parent.parent.parent):
        folder.chmod(0o755)
    file.chmod(0o644)
    run("import os\ndef f(path): os.chmod(path, 0)", str(file))
    assert 0o100644 == file.stat().st_mode
