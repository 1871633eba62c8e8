"""One call while it runs: hears its processes, looks at them, keeps their limits, and says what came of it."""

import contextlib
import os
import secrets
import selectors
import socket
import time
from collections import deque
from pathlib import Path
from typing import Any

from autograder.errors import SandboxError
from autograder.records import Limits
from autograder.sandbox import gate, procfs, remains, turns, wire
from autograder.sandbox.call import Call, Ending, Observer, Outcome
from autograder.sandbox.keeping import Keeper, Over, Text

#: How often a running call is looked at, in seconds.
TICK = 0.003
#: How long threads may take to end by themselves after the call has returned: their end may need the collector.
THREAD_GRACE = 1.0
#: Import of a submission beyond the interpreter's own: code that computes at import is no module.
IMPORT_SECONDS = 10.0
#: How long a process that has answered may take to say that it is still there.
LAST_WORD_SECONDS = 10.0
#: Messages that may wait to be read: the module is there, the call has returned, its answer.
MOST_WAITING = 3
_NO_QUESTION = "The process sent an answer that it was not asked for."


class RunningCall:
    """A call while it runs: one loop over all that can be heard from it, and a look at its processes between."""

    def __init__(
        self,
        call: Call,
        observer: Observer | None,
        scratch: str,
        stack: contextlib.ExitStack,
        watched: tuple[Path, ...] = (),
        owner: int = 0,
    ) -> None:
        self._call = call
        self._arguments = wire.encode([list(call.arguments), call.named])
        self._limits: Limits = call.limits
        self._observer = observer
        self._scratch = scratch
        self._channel, self._their_channel = socket.socketpair()
        self._pipes = {name: os.pipe() for name in ("stdout", "stderr", "status")}
        stack.callback(self._close)
        self._texts = {name: Text(self._limits.output_kib * 1024) for name in ("stdout", "stderr")}
        self._status = b""
        self._frames = wire.FrameReader()
        self._inbox: deque[dict[str, Any]] = deque()
        self._gate = -1
        self._warden = 0
        self._outcome = Outcome(Ending.CRASHED)
        self._selector = selectors.DefaultSelector()
        self._at_return: procfs.Snapshot | None = None
        self._exited_late: set[int] = set()
        self._loopback = 0
        self._written: int | None = None
        self._keeper = Keeper(call.limits, watched, owner)
        self._segments_before: frozenset[str] = frozenset()

    def their_descriptors(self) -> list[int]:
        writers = [self._pipes[name][1] for name in ("stdout", "stderr", "status")]
        return [self._their_channel.fileno(), *writers]

    def close_their_ends(self) -> None:
        self._their_channel.close()
        for name, (reader, writer) in self._pipes.items():
            os.close(writer)
            self._pipes[name] = (reader, -1)

    def _close(self) -> None:
        self._selector.close()
        self._channel.close()
        self._their_channel.close()
        for descriptor in (self._gate, *(fd for pair in self._pipes.values() for fd in pair)):
            if descriptor >= 0:
                os.close(descriptor)

    def remove_segments(self) -> None:
        """Shared memory that the call left where there is no /dev/shm of its own."""
        for name in self._outcome.segments:
            Path("/dev/shm", name).unlink(missing_ok=True)

    def watch(self, warden: int) -> Outcome:
        """Run the protocol to its end."""
        self._warden = warden
        for name, (reader, _) in self._pipes.items():
            os.set_blocking(reader, False)
            self._selector.register(reader, selectors.EVENT_READ, name)
        self._selector.register(self._channel, selectors.EVENT_READ, "channel")
        try:
            with turns.fine_turns():
                self._protocol()
        except Over as over:
            self._outcome.ending = over.ending
            self._outcome.message = over.message
        except wire.WireError as error:
            self._outcome.ending = Ending.CRASHED
            self._outcome.message = f"The process sent what is no answer: {error}."
        self._drain_texts()
        self._outcome.stdout, self._outcome.stderr = (str(self._texts[name]) for name in ("stdout", "stderr"))
        return self._outcome

    def _protocol(self) -> None:
        call = self._call
        self._send(
            {
                "files": call.files,
                "module": call.module,
                "function": call.function,
                "imports": sorted(wire.modules_named([call.arguments, call.named])),
            }
        )
        hello = self._hello()
        self._outcome.gated = bool(hello["gate"])
        self._outcome.caller = self._find_caller()
        ready = self._next(time.monotonic(), IMPORT_SECONDS, "importing the module took longer than")
        if self._finish_early(ready):
            return
        before = procfs.snapshot(self._warden)
        if self._outcome.caller not in before.processes:
            raise self._ended()
        self._segments_before = self._segments()
        self._loopback = procfs.loopback_bytes(self._warden)
        self._written = procfs.written_bytes(before.processes)
        started = time.monotonic()
        if self._observer is not None:
            self._observer.started(self._outcome.caller, before)
        # What to compute goes in with the starting gun: code that runs at import has nothing to compute beforehand.
        self._send({"arguments": self._arguments})
        if call.function:
            self._next(started, self._limits.wall_seconds, "the call took longer than", expected="returned")
        at_return = self._at_return = procfs.snapshot(self._warden)
        self._take(self._next(time.monotonic(), self._limits.wall_seconds, "its answer took longer than"))
        at_answer = self._answered(started)
        self._confirm()
        self._outcome.surviving = frozenset(at_return.processes | at_answer.processes) - {self._outcome.caller}
        self._look_for_leftovers(len(before.processes[self._outcome.caller].threads))

    def _hello(self) -> dict[str, Any]:
        # The runner is still our own code here; later on no descriptor is taken from it.
        self._channel.settimeout(30.0)
        try:
            data, descriptors, _, _ = socket.recv_fds(self._channel, 65536, 1)
        except TimeoutError:
            raise SandboxError("the sandboxed process did not start within 30 s") from None
        if not data:
            raise SandboxError(f"the sandboxed process could not start: {self._fault()}")
        self._channel.setblocking(False)
        if descriptors:
            self._gate = descriptors[0]
            self._selector.register(self._gate, selectors.EVENT_READ, "gate")
        hello, *early = self._frames.feed(data)  # the import may be over by now, and have been told
        self._hear(early)
        return dict(wire.decode(hello))

    def _fault(self) -> str:
        deadline = time.monotonic() + 2.0
        while b"\n" not in self._status and time.monotonic() < deadline:
            self._turn(0.05)
        return (self._status.decode(errors="replace") + str(self._texts["stderr"])).strip()[-2000:]

    def _find_caller(self) -> int:
        below = procfs.snapshot(self._warden).processes.values()
        callers = [process.pid for process in below if process.parent == self._warden]
        if len(callers) != 1:
            raise self._ended()
        return callers[0]

    def _send(self, message: dict[str, Any]) -> None:
        self._channel.setblocking(True)
        self._channel.settimeout(30.0)
        try:
            self._channel.sendall(wire.frame(wire.encode(message)))
        except OSError:
            pass  # what happened to the process is said by its status
        finally:
            self._channel.setblocking(False)

    def _next(self, since: float, seconds: float, late: str, expected: str = "") -> dict[str, Any]:
        """The next message, looking at the processes while it is waited for."""
        deadline = since + seconds
        while not self._inbox:
            now = time.monotonic()
            if now >= deadline:
                raise Over(Ending.TIMEOUT, f"{late} {seconds:.3g} s".capitalize() + ".")
            self._turn(min(TICK, deadline - now))
            if not self._inbox and self._status:
                self._read_channel()  # what it sent before it died still counts
                if not self._inbox:
                    raise Over(Ending.CRASHED, self._death())
        message = self._inbox.popleft()
        if expected and message.get("kind") != expected:
            raise Over(Ending.CRASHED, _NO_QUESTION)
        return message

    def _turn(self, seconds: float) -> None:
        """Hear what is said within ``seconds``, then look at the processes once."""
        looked = False
        for key, _ in self._selector.select(seconds):
            if key.data == "channel":
                self._read_channel()
            elif key.data == "gate":
                self._read_channel()  # an answer that came before this exit must be known as such
                self._open_gate()
                looked = True
            else:
                self._read_pipe(key.data)
        if not looked and self._outcome.caller:
            self._look()

    def _look(self) -> None:
        snapshot = procfs.snapshot(self._warden)
        self._keeper.look(snapshot)
        if self._observer is not None:
            self._observer.tick(snapshot)

    def _open_gate(self) -> None:
        try:
            announcement = gate.next_announcement(self._gate)
        except OSError:
            return
        if announcement.wish is gate.Wish.SOCKET:
            with contextlib.suppress(OSError):
                gate.give_loopback_socket(self._gate, announcement)
            return
        returned = self._at_return is not None or any(message.get("kind") == "returned" for message in self._inbox)
        if announcement.wish is gate.Wish.EXIT and returned:
            self._exited_late.add(announcement.pid)
        if self._outcome.caller:
            self._look()
        with contextlib.suppress(OSError):
            gate.go_on(self._gate, announcement)

    def _read_channel(self) -> None:
        while True:
            try:
                data = self._channel.recv(1 << 20)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                with contextlib.suppress(KeyError):
                    self._selector.unregister(self._channel)
                return
            self._hear(self._frames.feed(data))

    def _hear(self, frames: list[bytes]) -> None:
        for frame in frames:
            message = wire.decode(frame)
            if not isinstance(message, dict) or not isinstance(message.get("kind"), str):
                raise wire.WireError("a message of an unknown kind")
            if len(self._inbox) == MOST_WAITING:  # else who sends without end is listened to without end
                raise Over(Ending.CRASHED, _NO_QUESTION)
            self._inbox.append(message)

    def _read_pipe(self, name: str) -> None:
        try:
            data = os.read(self._pipes[name][0], 1 << 16)
        except BlockingIOError:
            return
        if not data:
            self._selector.unregister(self._pipes[name][0])
            if name == "status" and not self._status:
                self._status = b"gone\n"
        elif name == "status":
            self._status += data
        else:
            self._texts[name].feed(data)

    def _drain_texts(self) -> None:
        for name in ("stdout", "stderr"):
            with contextlib.suppress(OSError):
                while data := os.read(self._pipes[name][0], 1 << 16):
                    self._texts[name].feed(data)
                    if self._texts[name].dropped:
                        break

    def _death(self) -> str:
        text = self._status.decode(errors="replace").split("\n")[0]
        if text.startswith("fault"):
            raise SandboxError(f"the sandbox failed: {self._status.decode(errors='replace')}")
        if text == "gone":
            return "All processes of the call were killed at once."
        if text.startswith("-"):
            return f"The process was killed by signal {text[1:]} before it answered."
        return f"The process ended with exit status {text} before it answered." if text else ""

    def _ended(self) -> Over:
        """How the process ended before the call, which the warden says a moment later."""
        deadline = time.monotonic() + 2.0
        while not self._status and time.monotonic() < deadline:
            self._turn(0.01)
        return Over(Ending.CRASHED, self._death() or "The process ended before the call.")

    def _finish_early(self, message: dict[str, Any]) -> bool:
        kinds = {"import_failed": Ending.IMPORT_FAILED, "missing": Ending.MISSING}
        kind = message["kind"]
        if kind == "ready":
            return False
        if kind not in kinds:
            raise Over(Ending.CRASHED, _NO_QUESTION)
        self._describe(kinds[kind], message)
        return True

    def _answered(self, started: float) -> procfs.Snapshot:
        """Stop the clock: at the answer, since who only says that it has returned may still be at work."""
        snapshot = procfs.snapshot(self._warden)
        self._outcome.wall_seconds = snapshot.at - started
        self._outcome.loopback_bytes = procfs.loopback_bytes(self._warden) - self._loopback
        written = procfs.written_bytes(snapshot.processes)
        if written is not None and self._written is not None:
            self._outcome.written_bytes = written - self._written
        if self._observer is not None:
            self._observer.finished(snapshot)
        return snapshot

    def _confirm(self) -> None:
        """Have a word repeated that nobody could know before.

        Our own code stays when it has answered. Who answers in its place and ends, at once or never, would else be seen
        alive or dead as it happens.
        """
        word = secrets.token_hex(16)
        self._send({"kind": "stays", "word": word})
        try:
            message = self._next(time.monotonic(), LAST_WORD_SECONDS, "", expected="stays")
        except Over as over:
            raise Over(Ending.CRASHED, over.message if over.ending is Ending.CRASHED else _NO_QUESTION) from None
        if message.get("word") != word:
            raise Over(Ending.CRASHED, _NO_QUESTION)

    def _take(self, message: dict[str, Any]) -> None:
        kinds = {"value": Ending.VALUE, "raised": Ending.RAISED, "unsendable": Ending.UNSENDABLE}
        kind = message["kind"]
        if kind not in kinds:
            raise Over(Ending.CRASHED, _NO_QUESTION)
        self._describe(kinds[kind], message)
        self._outcome.value = message.get("value")

    def _describe(self, ending: Ending, message: dict[str, Any]) -> None:
        self._outcome.ending = ending
        for name in ("type", "message", "traceback"):
            text = message.get(name, "")
            setattr(self._outcome, name, text[:8000] if isinstance(text, str) else "")

    def _look_for_leftovers(self, threads_before: int) -> None:
        """What the call left behind, seen from outside.

        A process that was there at the moment of return counts, even where it ends a moment later. A thread may need
        the collector to end, so threads get a little time; and one of Python's helpers, to have a name to be known by.
        """
        caller = self._outcome.caller
        deadline = time.monotonic() + THREAD_GRACE
        while True:
            self._turn(0.0)
            now = procfs.snapshot(self._warden)
            process = now.processes.get(caller)
            if process is None or not process.alive:
                raise Over(Ending.CRASHED, "The process ended when it had answered, before what it left could be seen.")
            extra = len(process.threads) - threads_before
            there = [now.processes[pid] for pid in self._outcome.surviving if pid in now.processes]
            settled = extra <= 0 and all(procfs.command_line(one.pid) for one in there if one.alive and procfs.LINUX)
            if settled or time.monotonic() > deadline:
                break
            self._turn(0.01)
        self._outcome.surviving |= self._exited_late - {caller}
        self._outcome.surviving_threads = max(0, extra)
        made = self._segments() - self._segments_before
        self._outcome.segments = tuple(sorted(made - remains.in_use_elsewhere(made, now.processes)))
        self._outcome.files = tuple(sorted(remains.temporary_files(caller, self._scratch)))

    def _segments(self) -> frozenset[str]:
        try:
            return remains.segments(self._outcome.caller, self._scratch)
        except OSError:
            raise self._ended() from None
