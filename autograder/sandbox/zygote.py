"""The zygote: a process that has the slow imports done and forks one warden per call.

It never runs student code and holds nothing that a student must not see: whatever is in its memory is in the memory of
every submission. It has one thread, and never runs a torch operation (a child forked after one can hang for good).

    grader ──control socket──> zygote ──fork──> warden (process 1 of the call) ──fork──> runner (the student's code)

Control messages are MessagePack maps. ``start`` comes with four descriptors: the runner's channel, its standard output,
its standard error, and the pipe on which the warden tells how the runner ended.
"""

import contextlib
import gc
import importlib
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from autograder.records import Limits
from autograder.sandbox import jail, kernel, remains, runner, turns, wire
from autograder.sandbox.levels import Isolation

LINUX = sys.platform == "linux"


def main(control_fd: int, isolation_names: str, preload: str) -> None:
    """Serve until the grader closes its end, or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the grader's to handle
    turns.take_fine_turns()
    control = socket.socket(fileno=control_fd)
    user = jail.sandbox_user(os.getpid())
    names = [name for name in preload.split(",") if name]
    # Of our own package only while the walls, which hide its source tree, do not stand yet.
    failed = _preload([name for name in names if name.startswith("autograder.")])
    isolation, refusals = _enter_strongest(isolation_names.split(","))
    if LINUX and isolation is Isolation.NAMESPACES:
        # Elsewhere the zygote must outlive a killed grader for a moment, to end what nothing else would end.
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    failed = failed or _preload(names)
    if isolation is None:
        _reply(control, {"error": "; ".join(refusals)})
        return
    if failed:
        _reply(control, {"error": failed})
        return
    if user is not None and isolation is Isolation.PROCESS:
        user = None
    # What is there now is shared by all children: keep the collector from touching, and so copying, its pages.
    gc.collect()
    gc.freeze()
    _reply(control, {"isolation": str(isolation), "refusals": refusals})
    wardens: dict[int, str] = {}
    try:
        while True:
            data, descriptors, _, _ = socket.recv_fds(control, 65536, 4)
            if not data:
                break
            message = wire.decode(data)
            if message["do"] == "start":
                _start(control, message, descriptors, isolation, user, wardens)
            else:
                _end(message["pid"], isolation, wardens)
                _reply(control, {"ended": message["pid"]})
    finally:
        for pid, place in list(wardens.items()):
            _end(pid, isolation, wardens)
            if place:  # the grader that would have removed it is gone
                remains.remove(Path(place))


def _enter_strongest(names: list[str]) -> tuple[Isolation | None, list[str]]:
    refusals = []
    for name in names:
        isolation = Isolation(name)
        try:
            # Tried in a child first: half an entry cannot be taken back.
            _in_child(lambda level=isolation: jail.try_out(level))  # type: ignore[misc]
            jail.enter(isolation)
        except OSError as error:
            refusals.append(f"{name}: {error.strerror or error}")
            continue
        return isolation, refusals
    return None, refusals


def _in_child(function: Callable[[], None]) -> None:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        text = ""
        try:
            function()
        except OSError as error:
            text = error.strerror or str(error)
        except BaseException as error:
            text = repr(error)
        os.write(writer, text.encode()[:1000])
        os._exit(0)
    os.close(writer)
    with open(reader, encoding="utf-8") as stream:
        text = stream.read()
    os.waitpid(pid, 0)
    if text:
        raise OSError(0, text)


def _preload(names: list[str]) -> str:
    for name in names:
        try:
            importlib.import_module(name)
        except Exception as error:
            return f"cannot preload {name}: {type(error).__name__}: {error}"
    return ""


def _reply(control: socket.socket, message: dict[str, Any]) -> None:
    control.send(wire.encode(message))


def _start(
    control: socket.socket,
    message: dict[str, Any],
    descriptors: list[int],
    isolation: Isolation,
    user: int | None,
    wardens: dict[int, str],
) -> None:
    try:
        pid = jail.fork_warden(isolation)
    except OSError as error:
        _reply(control, {"error": str(error)})
        return
    if pid == 0:
        _warden(control, message, descriptors, isolation, user)
    for descriptor in descriptors:
        os.close(descriptor)
    wardens[pid] = message["place"]
    _reply(control, {"pid": pid})


def _end(pid: int, isolation: Isolation, wardens: dict[int, str]) -> None:
    """Kill a call with all that it started, and wait until it is gone.

    The pid is a child of ours that nobody else reaps, so it cannot have come to mean another process.
    """
    if wardens.pop(pid, None) is None:
        return
    if isolation is not Isolation.NAMESPACES:
        runner.kill_descendants(pid)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def _warden(
    control: socket.socket, message: dict[str, Any], descriptors: list[int], isolation: Isolation, user: int | None
) -> NoReturn:
    """The first process of a call: sets the walls up, forks the runner, reaps all orphans, tells how the runner ended.

    It stays until it is killed, and with it, in a pid namespace, everything in there.
    """
    channel, output, errors, status = descriptors
    try:
        if LINUX:
            kernel.prctl(
                kernel.PR_SET_PDEATHSIG, signal.SIGKILL if isolation is Isolation.NAMESPACES else signal.SIGTERM
            )
        if isolation is not Isolation.NAMESPACES:
            signal.signal(signal.SIGTERM, _orphaned)
        os.setsid()
        control.close()
        limits = msgspec.convert(message["limits"], Limits)
        jail.furnish(isolation, limits, user)
        pid = os.fork()
        if pid == 0:
            os.close(status)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            runner.main(message, channel, output, errors, isolation, limits, user)
        for descriptor in (channel, output, errors, 0, 1, 2):
            os.close(descriptor)
        while True:
            try:
                ended, code = os.wait()
            except ChildProcessError:
                signal.pause()
                continue
            if ended == pid:
                os.write(status, f"{os.waitstatus_to_exitcode(code)}\n".encode())
    except BaseException:
        with contextlib.suppress(OSError):
            os.write(status, b"fault " + traceback.format_exc().encode()[-3000:])
        os._exit(70)


def _orphaned(_signal: int, _frame: object) -> None:
    runner.kill_descendants(os.getpid())
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
