"""Two threads that are led through the bytecode of one line, instruction by instruction, in turns.

The interpreter calls a trace function before each instruction (``sys.settrace``, ``frame.f_trace_opcodes``). There the thread
hands its turn to the other one and waits for it to come back: so every run is the same run.
"""

import contextlib
import dis
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any

#: How long a thread waits for its turn before something is broken, in seconds.
_PATIENCE = 30.0


@dataclass(frozen=True)
class Step:
    """One instruction of one thread."""

    thread: int
    offset: int
    #: What is shared, just before it.
    before: int


class Lockstep:
    """Leads two threads; each `step` of one is followed by one of the other, as long as it has any."""

    def __init__(self, code: CodeType, line: int, look: Callable[[], int]) -> None:
        #: In the order in which they were made.
        self.steps: list[Step] = []
        self._code = code
        self._offsets = {instruction.offset for instruction in instructions(code, line)}
        self._look = look
        self._changed = threading.Condition()
        self._turn = 0
        self._going = {0, 1}
        self._held: int | None = None

    def run(self, function: Callable[[], None]) -> None:
        """Run `function` in both threads, and come back when both are done."""
        _ask_for_instructions()
        threads = [threading.Thread(target=self._led, args=(index, function)) for index in (0, 1)]
        try:
            for thread in threads:
                thread.start()
        finally:
            for index, thread in enumerate(threads):
                if thread.ident is None:  # Ctrl-C came first: the other one shall not wait for it
                    self._leave(index)
            for thread in threads:
                if thread.ident is not None:
                    thread.join()

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Lets no other thread in: one that comes meanwhile gives its turn back until the first is out."""
        me = int(threading.current_thread().name)
        while self._held not in (None, me):
            self._hand_over(me)
        self._held = me
        try:
            yield
        finally:
            self._held = None

    def _led(self, me: int, function: Callable[[], None]) -> None:
        threading.current_thread().name = str(me)
        self._wait_for_turn(me)

        def traced(frame: FrameType, event: str, _: Any) -> Any:
            if frame.f_code is not self._code:
                return None
            frame.f_trace_opcodes = True
            if event == "opcode" and frame.f_lasti in self._offsets:
                self._step(me, frame.f_lasti)
            return traced

        sys.settrace(traced)
        try:
            function()
        finally:
            sys.settrace(None)
            self._leave(me)

    def _leave(self, me: int) -> None:
        with self._changed:
            self._going.discard(me)
            self._turn = 1 - me
            self._changed.notify_all()

    def _step(self, me: int, offset: int) -> None:
        if self.steps and self.steps[-1].thread == me:  # this thread has made the last step: the other one is next
            self._hand_over(me)
        self.steps.append(Step(me, offset, self._look()))

    def _hand_over(self, me: int) -> None:
        with self._changed:
            self._turn = 1 - me
            self._changed.notify_all()
        self._wait_for_turn(me)

    def _wait_for_turn(self, me: int) -> None:
        with self._changed:
            if not self._changed.wait_for(lambda: self._turn == me or 1 - me not in self._going, _PATIENCE):
                raise TimeoutError("the other thread has not handed over its turn")
            self._turn = me


def _ask_for_instructions() -> None:
    """Python 3.12 shows instructions only to what begins to trace after they were asked for once."""

    def asking(frame: FrameType, event: str, _: Any) -> Any:  # noqa: ARG001
        frame.f_trace_opcodes = True
        return asking

    def nothing() -> None:
        pass

    def traced() -> None:
        sys.settrace(asking)
        try:
            nothing()
        finally:
            sys.settrace(None)

    thread = threading.Thread(target=traced)
    thread.start()
    thread.join()


def instructions(code: CodeType, line: int) -> list[dis.Instruction]:
    """The instructions of one line of a function, up to the one that writes."""
    found: list[dis.Instruction] = []
    starts = dict(dis.findlinestarts(code))
    current: int | None = None
    for instruction in dis.get_instructions(code):
        current = starts.get(instruction.offset, current)
        if current == line:
            found.append(instruction)
            if instruction.opname.startswith("STORE"):
                break
    return found
