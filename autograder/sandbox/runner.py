"""What runs in the sandboxed process itself: import the module, make the call, tell what came of it.

From the moment when the student's module is imported, nothing here can be trusted, and the grader does not: all that it
takes from this process is a value, which it judges elsewhere.
"""

import contextlib
import importlib
import io
import os
import resource
import signal
import socket
import sys
import traceback
import types
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

from autograder.records import Limits
from autograder.sandbox import gate, jail, kernel, procfs, wire
from autograder.sandbox.levels import Isolation

MESSAGE_LIMIT = 4000
_CHANNEL = 3
#: Files of the exercise's own: what went wrong there is no line that a student could mend.
_OURS = frozenset({"driver.py", "yardstick.py"})


def main(
    message: dict[str, Any],
    channel_fd: int,
    output: int,
    errors: int,
    isolation: Isolation,
    limits: Limits,
    user: int | None,
) -> NoReturn:
    """Never returns: ends when the grader ends the call."""
    try:
        channel, frames, request = _prepare(message, channel_fd, output, errors, isolation, limits, user)
    except BaseException:
        # Still our own code: the grader reads this from standard error and reports a fault of the sandbox.
        os.write(2, traceback.format_exc().encode())
        os._exit(71)
    _serve(channel, frames, request, message["code"])
    # Who answers and ends at once is told from who has really come to this point: by a word that nobody could know before.
    channel.sendall(wire.frame(_next_frame(channel, frames)))
    # Stay as we are, so that the grader can look at what was left behind, until it ends us.
    while True:
        signal.pause()


def _prepare(
    message: dict[str, Any],
    channel_fd: int,
    output: int,
    errors: int,
    isolation: Isolation,
    limits: Limits,
    user: int | None,
) -> tuple[socket.socket, wire.FrameReader, dict[str, Any]]:
    if sys.platform == "linux":
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    channel = _keep_only(channel_fd, output, errors)
    frames = wire.FrameReader()
    request = wire.decode(_next_frame(channel, frames))
    code, scratch = message["code"], message["scratch"]
    for name, text in request["files"].items():
        path = Path(code, name)
        path.write_bytes(text)
        path.chmod(0o644)
    os.chdir(scratch)
    _neutral(code, scratch)
    jail.confine(isolation, limits, user, code, scratch)
    _reseed()
    listener = gate.install(isolation) if isolation is not Isolation.PROCESS else []
    socket.send_fds(channel, [wire.frame(wire.encode({"kind": "hello", "gate": bool(listener)}))], listener)
    for descriptor in listener:
        os.close(descriptor)
    return channel, frames, request


def _keep_only(channel: int, output: int, errors: int) -> socket.socket:
    """Keep the channel and the standard streams; close every other descriptor that was inherited."""
    null = os.open(os.devnull, os.O_RDONLY)
    high = [os.dup2(fd, 200 + index, inheritable=False) for index, fd in enumerate((null, output, errors, channel))]
    for index, fd in enumerate(high):
        os.dup2(fd, index, inheritable=index != _CHANNEL)
    os.closerange(4, max(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[0]))
    sys.stdin = io.TextIOWrapper(io.FileIO(0, "r", closefd=False))
    sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), errors="replace", write_through=True)
    sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), errors="replace", write_through=True)
    return socket.socket(fileno=_CHANNEL)


def _neutral(code: str, scratch: str) -> None:
    """A ``__main__`` that spawned children can do without, and the search path that lets them import the module."""
    sys.modules["__main__"] = types.ModuleType("__main__")
    sys.argv = [""]
    package = str(Path(__file__).resolve().parent.parent.parent)
    sys.path[:] = [code, *(path for path in sys.path if path and (path != package or "-packages" in path))]
    temporary = Path(scratch, "tmp")
    temporary.mkdir()
    with contextlib.suppress(OSError):
        os.chown(temporary, *(getattr(Path(scratch).stat(), name) for name in ("st_uid", "st_gid")))
    os.environ["HOME"] = scratch
    os.environ["TMPDIR"] = str(temporary)
    import tempfile

    tempfile.tempdir = None


def _reseed() -> None:
    """Fresh randomness: a fork of the zygote has its state, and code without a seed would look well seeded."""
    import random

    random.seed()
    if (numpy_random := sys.modules.get("numpy.random")) is not None:
        numpy_random.seed()
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(1)
        torch.default_generator.seed()  # torch.seed() asks after accelerators, too, which costs milliseconds


def _next_frame(channel: socket.socket, frames: wire.FrameReader) -> bytes:
    while True:
        data = channel.recv(1 << 16)
        if not data:
            os._exit(0)
        if complete := frames.feed(data):
            return complete[0]


def _serve(channel: socket.socket, frames: wire.FrameReader, request: dict[str, Any], code: str) -> None:
    def send(message: dict[str, Any]) -> None:
        channel.sendall(wire.frame(wire.encode(message)))

    module_name, function_name = request["module"], request["function"]
    try:
        module = importlib.import_module(module_name)
        for name in request["imports"]:
            importlib.import_module(name)
    except BaseException as error:
        send({"kind": "import_failed", **describe(error, request["files"], code)})
        return
    if not function_name:
        send({"kind": "ready"})
        _next_frame(channel, frames)  # the starting gun, though there is nothing to run for
        send({"kind": "value", "value": sorted(name for name in vars(module) if not name.startswith("_"))})
        return
    function = getattr(module, function_name, None)
    if not callable(function):
        send({"kind": "missing", "message": f"{module_name}.py has no function {function_name}()"})
        return
    returned = wire.frame(wire.encode({"kind": "returned"}))
    send({"kind": "ready"})
    arguments, named = wire.decode(wire.decode(_next_frame(channel, frames))["arguments"], _resolve)
    try:
        try:
            value = function(*arguments, **named)
        finally:
            channel.sendall(returned)
    except BaseException as error:
        answer = {"kind": "raised", **describe(error, request["files"], code)}
        with contextlib.suppress(BaseException):
            # Its frames keep what the function made, and so what that still holds, from going away as it would on return.
            traceback.clear_frames(error.__traceback__)
        send(answer)
        return
    try:
        message = wire.encode({"kind": "value", "value": value})
    except wire.WireError as error:
        send({"kind": "unsendable", "message": f"{function_name}() returned a value that is not plain data: {error}"})
        return
    channel.sendall(wire.frame(message))


def _resolve(function: wire.Function) -> object:
    return getattr(importlib.import_module(function.module), function.name)


def describe(error: BaseException, files: dict[str, bytes], code: str) -> dict[str, str]:
    """An exception as plain text: its type, its message, and the lines of its traceback that lie in the module."""
    try:
        text = str(error)[:MESSAGE_LIMIT]
    except BaseException as second:
        text = f"(its text cannot be had: __str__ raised {type(second).__name__})"
    lines = []
    try:
        if isinstance(error, SyntaxError):
            lines = traceback.format_exception_only(error)[:-1]
        else:
            own = [
                frame
                for frame in traceback.extract_tb(error.__traceback__)
                if Path(frame.filename).name in files.keys() - _OURS
            ]
            lines = traceback.format_list([*own[:4], *own[4:][-8:]])
    except BaseException:
        lines = []
    # Name the file as the student knows it, without the sandbox's folder.
    shown = "".join(lines).replace(f"{code}{os.sep}", "")[:MESSAGE_LIMIT]
    return {"type": type(error).__name__[:200], "message": text, "traceback": shown}


def kill_descendants(root: int) -> None:
    """Kill everything below ``root``, again and again until nothing is left: for levels without a pid namespace."""
    import psutil

    # The quick look may miss one while others come and go, so it never has the last word.
    while alive := _alive(procfs.snapshot(root).processes) or _alive(_below(root)):
        for verb in ("suspend", "kill"):  # stopped first, so that none can fork while the others die
            for process in alive:
                with contextlib.suppress(psutil.Error):
                    getattr(process, verb)()
        psutil.wait_procs(alive, timeout=0.1)


def _below(root: int) -> list[int]:
    import psutil

    try:
        return [process.pid for process in psutil.Process(root).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _alive(pids: Iterable[int]) -> list[Any]:
    """Those that run still; psutil knows a process by its start too, so that nobody else's is ever hit."""
    import psutil

    found = []
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            if process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found
