"""Runs a case once, under a plan or under whatever scheduler there is, and says how it ended.

This module runs inside the sandbox, beside student code.
"""

import functools
import secrets
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FrameType, FunctionType, ModuleType
from typing import Any

from frontrun import _cooperative as frontrun

from autograder.measure import primitives, schedules, tracing
from autograder.measure.guard import Guard
from autograder.measure.schedules import Execution, Plan
from autograder.measure.steps import WAITS, Recorder, SharedNames

#: Steps of an execution where nothing blocks. It only has to show that code hangs on its locks: fewer will do.
MOST_PERMISSIVE_STEPS = 600

_getframe = sys._getframe


@dataclass(frozen=True, kw_only=True)
class Case:
    """Threads that meet on shared state, and how it may end.

    Attributes:
        calls: What each thread does, in the student's words.
        setup: Makes fresh objects for the threads to share, from the student's module.
        workers: What each thread runs, given the module and those objects.
        outcome: What there is to see at the end: plain data by name, from what the workers returned (or
            ``"raised ValueError: ..."``) and the objects.
        allowed: Every outcome that is right.
        lesson: What it means when it ends otherwise, and what to think about: for the student.
        uses: The student's functions that must have run.
    """

    calls: tuple[str, ...]
    setup: Callable[[ModuleType], tuple[Any, ...]]
    workers: tuple[Callable[..., object], ...]
    outcome: Callable[..., dict[str, Any]]
    allowed: tuple[dict[str, Any], ...]
    lesson: str = ""
    uses: tuple[str, ...] = ()


@dataclass(eq=False)
class End:
    """How one execution ended."""

    #: "": as it may. "broken", "deadlock", "endless", "held" (a lock nobody will release) or "stuck".
    verdict: str
    outcome: dict[str, Any] = field(default_factory=dict)
    execution: Execution = field(default_factory=Execution)
    #: The thread that holds a lock, the line in which it took it, and the lock's number; 0 is a notification.
    holds: list[tuple[int, int, int]] = field(default_factory=list)
    #: Of each thread that waits, the lines of the student's on its stack, the innermost first, and the lock's number.
    waits: dict[int, tuple[list[int], int]] = field(default_factory=dict)
    #: The thread that went first.
    first: int = 0


class _Witness:
    """Which thread holds and awaits which lock, and in which line of the student's."""

    def __init__(self, own_file: str, recorder: Recorder) -> None:
        self._own_file = own_file
        self._recorder = recorder
        #: Whether a thread has waited for a notification, in any execution.
        self.notified = False
        self.fresh()

    def fresh(self) -> None:
        """Forget the execution before."""
        self.holds: list[tuple[int, int, int]] = []
        self.waits: dict[int, tuple[list[int], int]] = {}
        self._numbers: dict[int, int] = {}

    def __call__(self, event: str, primitive: object) -> None:
        """What the primitives tell."""
        if (context := frontrun.get_context()) is None:
            return
        thread = context[1]
        number = self._number(primitive)
        if event == "lock_acquire":
            self.waits.pop(thread, None)
            if number:
                self.holds.append((thread, next(self._stack(), 0), number))
        elif event == "lock_wait":
            stack = list(self._stack())
            self.waits[thread] = stack, number
            self.notified |= not number
            self._recorder.lines.append((thread, stack[0] if stack else 0, WAITS))
        elif event == "lock_release" and number:
            held = [hold for hold in self.holds if hold[2] == number]
            if held:
                self.holds.remove(next((hold for hold in held if hold[0] == thread), held[0]))

    def _number(self, primitive: object) -> int:
        if isinstance(primitive, primitives.Signal):
            return 0  # a notification, no lock that somebody holds
        return self._numbers.setdefault(id(primitive), len(self._numbers) + 1)

    def _stack(self) -> Iterator[int]:
        frame: FrameType | None = _getframe(2)
        while frame is not None:
            if frame.f_code.co_filename == self._own_file:
                yield frame.f_lineno
            frame = frame.f_back


class _Watching:
    """While it lasts, the primitives tell the witness what happens."""

    def __init__(self, witness: _Witness) -> None:
        self._witness = witness

    def __enter__(self) -> None:
        primitives.state.witness = self._witness

    def __exit__(self, *_: object) -> None:
        primitives.state.witness = None


class Started:
    """A case with its objects made: its workers are to run, by whoever steers them."""

    def __init__(
        self, case: Case, state: tuple[Any, ...], workers: list[Callable[[], None]], results: list[Any]
    ) -> None:
        self.case = case
        self.state = state
        self.workers = workers
        self.results = results


class Executions:
    """Runs cases of one module."""

    def __init__(self, own_file: str, source: str, watch: Guard) -> None:
        self.recorder = Recorder(own_file, SharedNames(source), watch)
        self.has_threads = watch.has_threads
        #: What hid a thread from the recorder, if anything did.
        self.blind: list[str] = []
        #: How many there were, of the present case.
        self.count = 0
        self._tried = self._untraced = False
        self._witness = _Witness(own_file, self.recorder)
        self._crew = schedules.Crew()
        self._tracing = tracing.tracing(self.recorder)
        # Traced like the student's code, and called after it: it is seen unless tracing was switched off.
        name = f"end_{secrets.token_hex(4)}"
        code = _nothing.__code__.replace(co_filename=f"/{name}.py", co_name=name, co_qualname=name)
        self._last_line = FunctionType(code, {}, name)

    def begin(self) -> None:
        """Forget the case before."""
        self.recorder.covered.clear()
        self.count = 0
        self._tried = self._witness.notified = False

    def end(self) -> None:
        """End the threads of the case, and so what they keep for themselves."""
        self._crew.dismiss()

    def close(self) -> None:
        """There are no more executions for now."""
        self._tracing.stop()

    @property
    def intricate(self) -> str:
        """What threads of this case have done that dpor cannot see through, or nothing."""
        if self._tried:
            return "a thread tries in vain and goes on"
        return "a thread waits for a notification" if self._witness.notified else ""

    def run(self, case: Case, student: ModuleType, plan: Plan, first: int) -> End:
        """Run ``case`` under ``plan``, from a start with the thread ``first``."""
        # Threads that try, fail and try again can keep in step for ever by bad luck: not by bad luck three times.
        permissive = primitives.state.permissive
        for seed in range(1 if permissive else 3):
            started = self.start(case, student)
            end = End("", first=first)
            with self.watching():
                execution = schedules.run(
                    self._crew,
                    started.workers,
                    plan,
                    self.recorder,
                    self._tracing,
                    functools.partial(self._note_trouble, end),
                    first,
                    seed,
                    MOST_PERMISSIVE_STEPS if permissive else schedules.MOST_STEPS,
                )
            self._tried |= execution.tried
            if execution.trouble:
                self._crew.dismiss()
            if execution.trouble != "endless":
                break
        if not execution.trouble:
            return self.judge(started, execution, first)
        end.verdict, end.execution = execution.trouble, execution
        return end

    def _note_trouble(self, end: End) -> None:
        end.holds, end.waits = list(self._witness.holds), dict(self._witness.waits)

    def start(self, case: Case, student: ModuleType) -> Started:
        """Make fresh objects and workers for one execution."""
        self.count += 1
        self._witness.fresh()
        self.recorder.fresh()
        self._untraced = False
        state = case.setup(student)
        results: list[Any] = [None] * len(case.workers)

        def body(number: int) -> None:
            try:
                results[number] = case.workers[number](student, *state)
            except frontrun.SchedulerAbort:
                raise
            except Exception as error:
                results[number] = f"raised {type(error).__name__}: {error}"
            self._last_line()
            if (number, 0, self._last_line.__name__) not in self.recorder.lines:
                self._untraced = True

        return Started(case, state, [functools.partial(body, number) for number in range(len(case.workers))], results)

    def watching(self) -> _Watching:
        """While it lasts, what happens to locks is seen."""
        return _Watching(self._witness)

    def judge(self, started: Started, execution: Execution, first: int = 0) -> End:
        """How it ended, all threads having come to their end."""
        if self._untraced:
            self.blind.append("tracing was off when a thread came to its end")
        primitives.state.alone = True
        try:
            outcome = _plain(started.case.outcome(started.results, *started.state))
        except primitives.StillHeldError:
            return End("held", {}, execution, list(self._witness.holds), first=first)
        except Exception as error:
            outcome = {"the end": f"raised {type(error).__name__}: {error}"}
        finally:
            primitives.state.alone = False
        return End("" if outcome in started.case.allowed else "broken", outcome, execution, first=first)


def _nothing() -> None:
    pass


def _plain(value: Any) -> Any:
    """``value``, with text in place of all that could have an opinion of its own on what it equals."""
    if type(value) in (list, tuple):
        return [_plain(part) for part in value]
    if type(value) is dict:
        return {name: _plain(part) for name, part in value.items()}
    if value is None or type(value) in (bool, int, float, str):
        return value
    return f"an object of type {type(value).__name__}"
