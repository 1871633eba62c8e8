"""The grader's side of the sandbox: starts zygotes, runs calls, keeps their limits, and ends all that they started."""

import contextlib
import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from autograder.errors import SandboxError
from autograder.sandbox import jail, procfs, remains, wire
from autograder.sandbox.call import Call, Observer, Outcome
from autograder.sandbox.levels import Isolation, candidates
from autograder.sandbox.running import RunningCall

_START_SECONDS = 120.0


class ZygoteSandbox:
    """A zygote and the calls that it forks. A context manager; ``close`` leaves no process behind."""

    def __init__(
        self,
        preload: Iterable[str] = (),
        environment: dict[str, str] | None = None,
        forced: Isolation | None = None,
    ) -> None:
        self._preload = ",".join(preload)
        self._levels = ",".join(candidates(forced))
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET if procfs.LINUX else socket.SOCK_DGRAM)
        self._control = ours
        self._scratch: Path | None = None
        self._isolation: Isolation | None = None
        self.refusals: tuple[str, ...] = ()
        package = Path(__file__).resolve().parent.parent.parent
        code = (
            f"import sys; sys.path.insert(0, {str(package)!r}); from autograder.sandbox import zygote; "
            f"zygote.main({theirs.fileno()}, {self._levels!r}, {self._preload!r})"
        )
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", code],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
                env=_environment(environment or {}),
                cwd="/",
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def isolation(self) -> Isolation:
        """The level that this machine allowed; waits for the zygote where it is still starting."""
        if self._isolation is None:
            hello = self._ask(None, _START_SECONDS)
            self._isolation = Isolation(hello["isolation"])
            self.refusals = tuple(hello["refusals"])
        return self._isolation

    def run(self, call: Call, observer: Observer | None = None) -> Outcome:
        """Make one call in fresh processes and wait until all of them have ended.

        Raises:
            SandboxError: The sandbox itself failed; it says nothing about the submission.
        """
        with contextlib.ExitStack() as stack:
            place, code, scratch = self._folders(stack)
            running = RunningCall(call, observer, scratch, stack, *self._watched(scratch))
            message = {
                "do": "start",
                "limits": msgspec.to_builtins(call.limits),
                "code": code,
                "scratch": scratch,
                "place": place,
            }
            _ = self.isolation
            pid = self._ask(message, 30.0, running.their_descriptors())["pid"]
            running.close_their_ends()
            try:
                return running.watch(pid)
            finally:
                self._ask({"do": "end", "pid": pid}, 60.0)
                if self.isolation is not Isolation.NAMESPACES:
                    running.remove_segments()
                if (user := self._user()) is not None:
                    remains.sweep(user)

    def close(self) -> None:
        """End the zygote with all that it forked. May be called again."""
        self._control.close()  # the zygote sees the end, ends its calls and leaves
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stderr is not None:
            self._process.stderr.close()

    def _folders(self, stack: contextlib.ExitStack) -> tuple[str, str, str]:
        if self.isolation is Isolation.NAMESPACES:
            return "", jail.CODE, jail.SCRATCH
        place = Path(tempfile.mkdtemp(prefix="autograder-"))
        stack.callback(remains.remove, place)
        place.chmod(0o755)
        for name in ("submission", "scratch"):
            (place / name).mkdir(mode=0o755)
        if (user := self._user()) is not None:
            os.chown(place / "scratch", user, user)
            closed = [str(folder) for folder in place.parents if not folder.stat().st_mode & stat.S_IXOTH]
            if closed:
                raise SandboxError(
                    f"the sandbox's unprivileged user may not enter {closed[-1]}: set TMPDIR to another folder"
                )
        return str(place), str(place / "submission"), str(place / "scratch")

    def _watched(self, scratch: str) -> tuple[tuple[Path, ...], int]:
        """Folders where only a look now and then keeps the files of a call within its limit, and whose they are."""
        if self.isolation is not Isolation.LANDLOCK:
            return (), 0
        if (user := self._user()) is not None:
            return (Path(scratch), Path("/dev/shm")), user
        return (Path(scratch),), os.geteuid()  # in /dev/shm there may be more of this user's than the call's

    def _user(self) -> int | None:
        """The user that calls run as, where that is one for the sandbox alone and its files can be seen here."""
        if self.isolation is not Isolation.LANDLOCK:
            return None
        return jail.sandbox_user(self._process.pid)

    def _ask(self, message: dict[str, Any] | None, seconds: float, descriptors: Iterable[int] = ()) -> dict[str, Any]:
        try:
            self._control.settimeout(seconds)
            if message is not None:
                socket.send_fds(self._control, [wire.encode(message)], list(descriptors))
            data = self._control.recv(65536)
            if not data:
                raise SandboxError(f"the sandbox's zygote has ended: {self._last_words()}")
            reply = wire.decode(data)
        except OSError as error:
            raise SandboxError(f"the sandbox's zygote does not answer ({error}): {self._last_words()}") from error
        if "error" in reply:
            raise SandboxError(f"the sandbox cannot be set up: {reply['error']}")
        return dict(reply)

    def _last_words(self) -> str:
        if self._process.poll() is None or self._process.stderr is None:
            return "it still runs"
        text = self._process.stderr.read().decode(errors="replace").strip()
        return text[-2000:] or f"exit status {self._process.returncode}"


def _environment(extra: dict[str, str]) -> dict[str, str]:
    """The environment of the sandbox: nothing of the grader's own but what Python needs to start."""
    kept = {name: os.environ[name] for name in ("LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH") if name in os.environ}
    kept |= {name: value for name, value in os.environ.items() if name.startswith("OPENBLAS_")}
    one_thread = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    path = os.pathsep.join(dict.fromkeys([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]))
    return {
        "PATH": path,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
        **dict.fromkeys(one_thread, "1"),
        **kept,
        **extra,
    }
