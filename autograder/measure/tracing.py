"""Traces the workers of one execution after the other, so that each step is asked for.

Up to Python 3.11 with ``sys.settrace``, in each thread. From 3.12 on with ``sys.monitoring``, which is switched on once for
all executions (each time costs more than an execution does), watches instructions of the student's code only, and
lets go for good of those that do not matter.

This module runs inside the sandbox, beside student code.
"""

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from types import CodeType, FrameType
from typing import Any, Protocol

from frontrun import _opcode_observer as observer

from autograder.measure.steps import Recorder

#: One of the numbers that Python leaves to tools without a name; frontrun has others.
_TOOL = 4
#: Traces a worker, by its number, in its own thread.
Traced = Callable[[int], contextlib.AbstractContextManager[None]]

_getframe = sys._getframe


class Abandoned(BaseException):
    """Ends a worker whose execution came to nothing. No ``except Exception`` of a student's catches it."""


class Decides(Protocol):
    """Who decides at each step which thread goes on."""

    @property
    def over(self) -> bool:
        """Whether the execution was given up."""

    def step(self, thread: int) -> bool:
        """``thread`` is about to take a step: whether others ran first. Raises :class:`Abandoned` where it must end."""


class Tracing(Protocol):
    """Python's tracing, for the threads that are workers at the moment."""

    def steered_by(self, decides: Decides) -> contextlib.AbstractContextManager[Traced]:
        """While it lasts, have ``decides`` asked at each step of a worker."""

    def stop(self) -> None:
        """It is not needed any more."""


def tracing(recorder: Recorder) -> Tracing:
    """The tracing that this Python has."""
    return _Monitoring(recorder) if hasattr(sys, "monitoring") else _Settrace(recorder)


class _Settrace:
    """One trace function for each worker."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    @contextlib.contextmanager
    def steered_by(self, decides: Decides) -> Iterator[Traced]:
        which = observer.make_settrace_callback(
            get_thread_id=lambda: None,
            on_opcode=None,
            remove_shadow_stack=None,
            is_active=lambda: not decides.over,
        )

        @contextlib.contextmanager
        def traced(thread: int) -> Iterator[None]:
            trace = self._recorder.tracer(which, thread, decides.step)
            handle = observer.OpcodeTraceHandle(using_monitoring=False, tool_id=None, settrace_callback=trace)
            observer.install_thread_opcode_trace(handle)
            try:
                yield
            finally:
                observer.uninstall_thread_opcode_trace(handle)

        yield traced

    def stop(self) -> None:
        pass


class _Monitoring:
    """One tool for all threads, which knows the workers."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._monitoring: Any = vars(sys)["monitoring"]
        self._threads = threading.local()
        self._decides: Decides | None = None
        self._on = False
        #: Code whose instructions are watched. It is kept: its id must stay its own.
        self._watched: dict[int, CodeType] = {}

    @contextlib.contextmanager
    def steered_by(self, decides: Decides) -> Iterator[Traced]:
        if not self._on:
            self._start()
        self._decides = decides
        try:
            yield self._traced
        finally:
            self._decides = None

    def stop(self) -> None:
        if self._on:
            self._on = False
            self._monitoring.set_events(_TOOL, 0)
            for code in self._watched.values():
                self._monitoring.set_local_events(_TOOL, code, 0)
            self._monitoring.free_tool_id(_TOOL)
            self._watched.clear()

    def _start(self) -> None:
        monitoring = self._monitoring
        self._on = True
        monitoring.use_tool_id(_TOOL, "autograder")
        monitoring.register_callback(_TOOL, monitoring.events.PY_START, self._entered)
        monitoring.register_callback(_TOOL, monitoring.events.INSTRUCTION, self._instruction)
        monitoring.set_events(_TOOL, monitoring.events.PY_START)

    @contextlib.contextmanager
    def _traced(self, thread: int) -> Iterator[None]:
        self._threads.number = thread
        try:
            yield
        finally:
            self._threads.number = None

    def _worker(self) -> int | None:
        return getattr(self._threads, "number", None)

    def _entered(self, code: CodeType, _offset: int) -> object:
        if self._worker() is None:
            return None
        if id(code) in self._watched:
            return None
        frame: FrameType = _getframe(1)
        self._recorder.see(code, frame)
        if self._recorder.is_traced(code, frame):
            self._watched[id(code)] = code
            self._monitoring.set_local_events(_TOOL, code, self._monitoring.events.INSTRUCTION)
        return None

    def _instruction(self, code: CodeType, offset: int) -> object:
        known = self._recorder.rows(code).get(offset)
        if known is None:
            return self._monitoring.DISABLE
        thread, decides = self._worker(), self._decides
        if thread is not None and decides is not None and not decides.over:
            is_step, *_ = known
            if is_step:
                decides.step(thread)
            self._recorder.note(code, thread, known)
        return None
