"""Searches the executions of a case for one that must not be, and reports what it found.

This module runs inside the sandbox, beside student code.
"""

import functools
import itertools
import random
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any

import frontrun as frontrun_library
from frontrun import _cooperative as frontrun
from frontrun._dpor_runtime import runner as dpor_runner
from frontrun._opcode_observer import OpcodeTraceHandle

from autograder.measure import primitives, schedules
from autograder.measure.guard import Guard
from autograder.measure.schedules import Execution, Plan
from autograder.measure.steps import LEAVES, WAITS, OnOpcode, Recorder, SharedNames

#: Executions of a case with one switch, of dpor, and with two switches.
MOST_SINGLE, MOST_DPOR, MOST_DOUBLE = 150, 60, 150
#: To show that code hangs on its locks, fewer will do.
MOST_PERMISSIVE_DOUBLE, MOST_PERMISSIVE_STEPS = 150, 600
#: What a line of the report says of itself.
_KINDS = {WAITS: "waits", LEAVES: "leaves"}

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


class _Witness:
    """Which thread holds and awaits which lock, and in which line of the student's."""

    def __init__(self, own_file: str, recorder: Recorder) -> None:
        self._own_file = own_file
        self._recorder = recorder
        self.fresh()

    def fresh(self) -> None:
        """Forget the execution before."""
        self.holds: list[tuple[int, int, int]] = []
        self.waits: dict[int, tuple[int, int]] = {}
        self._numbers: dict[int, int] = {}

    def __call__(self, event: str, primitive: object) -> None:
        """What the primitives tell."""
        if (context := frontrun.get_context()) is None:
            return
        thread = context[1]
        if isinstance(primitive, primitives.Signal):
            number = 0  # a notification, no lock that somebody holds
        else:
            number = self._numbers.setdefault(id(primitive), len(self._numbers) + 1)
        if event == "lock_acquire":
            self.waits.pop(thread, None)
            if number:
                self.holds.append((thread, self._line(), number))
        elif event == "lock_wait":
            self.waits[thread] = self._line(), number
            self._recorder.lines.append((thread, self._line(), WAITS))
        elif event == "lock_release" and number:
            held = [hold for hold in self.holds if hold[2] == number]
            if held:
                self.holds.remove(next((hold for hold in held if hold[0] == thread), held[0]))

    def _line(self) -> int:
        frame = _getframe(2)
        while frame is not None and frame.f_code.co_filename != self._own_file:
            frame = frame.f_back  # type: ignore[assignment]
        return frame.f_lineno if frame is not None else 0


@dataclass(eq=False)
class _End:
    """How one execution ended."""

    #: "": as it may. "broken", "deadlock", "endless", "held" (a lock nobody will release) or "stuck".
    verdict: str
    outcome: dict[str, Any] = field(default_factory=dict)
    execution: Execution = field(default_factory=Execution)
    holds: list[tuple[int, int, int]] = field(default_factory=list)
    waits: dict[int, tuple[int, int]] = field(default_factory=dict)
    #: The thread that went first.
    first: int = 0


class Explorer:
    """Explores cases of one module."""

    def __init__(self, own_file: str, source: str, watch: Guard, deadline: float) -> None:
        self.blind: list[str] = []
        self._deadline = deadline
        self._has_threads = watch.has_threads
        self._untraced = self._tried = False
        self.recorder = Recorder(own_file, SharedNames(source), watch)
        self._witness = _Witness(own_file, self.recorder)
        # Traced like the student's code, and called after it: it is seen unless tracing was switched off.
        name = f"end_{secrets.token_hex(4)}"
        code = _nothing.__code__.replace(co_filename=f"/{name}.py", co_name=name, co_qualname=name)
        self._last_line = FunctionType(code, {}, name)

    def examine(self, case: Case, student: ModuleType) -> dict[str, Any]:
        """Search for an execution that must not be."""
        self.recorder.covered.clear()
        self._count = 0
        self._tried = False
        tried: list[_End] = []
        bad = self._single_switches(case, student, tried)
        undecided = ""
        if bad is None:
            # Threads that try in vain and try again are more than dpor can see through.
            found, undecided = (None, "tries in vain") if self._tried else self._dpor(case, student)
            if found is not None or undecided:
                # Two switches show what dpor found in fewer lines, or look where it cannot.
                bad = self._double_switches(case, student, tried, MOST_DOUBLE) or found
                undecided = ""
        if bad is None and time.monotonic() > self._deadline:
            undecided = "there was not enough time"
        if bad is not None and bad.verdict == "stuck":
            bad, undecided = None, "a thread waits for what is no lock, queue or condition of Python's"
        if bad is None and self._has_threads():
            undecided = "the submission starts threads of its own, which cannot be steered"
        report = {
            "calls": list(case.calls),
            "uses": list(case.uses),
            "lesson": case.lesson,
            "allowed": list(case.allowed),
            "executions": self._count,
            "covered": sorted([line, function] for line, function in self.recorder.covered if line),
            "verdict": "undecided" if undecided else "holds",
            "why": undecided,
            "proof": False,
        }
        if bad is not None:
            report |= {
                "verdict": bad.verdict,
                "outcome": bad.outcome,
                "alone": _one_after_the_other(bad.execution),
                "lines": [[thread, line, _KINDS.get(what, "")] for thread, line, what in bad.execution.lines if line],
                "holds": [list(hold) for hold in bad.holds],
                "waits": [[thread, *wait] for thread, wait in sorted(bad.waits.items())],
            }
        return report

    def breaks_without_locks(self, case: Case, student: ModuleType, switches: int) -> bool:
        """Whether the case goes wrong where nothing blocks, though each thread by itself does right."""
        primitives.state.permissive = True
        try:
            tried: list[_End] = []
            bad = self._single_switches(case, student, tried)
            if bad is None and switches > 1:
                bad = self._double_switches(case, student, tried, MOST_PERMISSIVE_DOUBLE)
            return bad is not None and bad.verdict != "stuck" and bad not in tried[: len(case.workers)]
        finally:
            primitives.state.permissive = False

    # -- searches

    def _single_switches(self, case: Case, student: ModuleType, tried: list[_End]) -> _End | None:
        for first in range(len(case.workers)):
            tried.append(self._once(case, student, {}, first))
            if tried[-1].verdict:
                return tried[-1]
        plans = [(first, plan) for first, end in enumerate(tried) for plan in _more(end.execution)]
        return self._try(case, student, plans, MOST_SINGLE, tried)

    def _double_switches(self, case: Case, student: ModuleType, tried: list[_End], most: int) -> _End | None:
        plans = [(end.first, plan) for end in tried[len(case.workers) :] for plan in _more(end.execution)]
        return self._try(case, student, plans, most, [])

    def _try(
        self, case: Case, student: ModuleType, plans: list[tuple[int, Plan]], most: int, tried: list[_End]
    ) -> _End | None:
        if len(plans) > most:
            plans = random.Random(0).sample(plans, most)
        for first, plan in plans:
            tried.append(self._once(case, student, plan, first))
            if tried[-1].verdict:
                return tried[-1]
            if time.monotonic() > self._deadline:
                break
        return None

    def _once(self, case: Case, student: ModuleType, plan: Plan, first: int) -> _End:
        # Threads that try, fail and try again can keep in step for ever by bad luck: not by bad luck three times.
        permissive = primitives.state.permissive
        for seed in range(1 if permissive else 3):
            self._count += 1
            self._witness.fresh()
            self.recorder.fresh()
            state, workers, results = self._prepare(case, student)
            with _Watching(self._witness):
                execution = schedules.run(
                    workers,
                    plan,
                    self.recorder,
                    self._snapshot,
                    first,
                    seed,
                    MOST_PERMISSIVE_STEPS if permissive else schedules.MOST_STEPS,
                )
            self._tried |= execution.tried
            if execution.trouble != "endless":
                break
        if execution.trouble:
            return _End(execution.trouble, {}, execution, self._held, self._waited, first=first)
        end = self._judge(case, state, results, execution)
        end.first = first
        return end

    def _dpor(self, case: Case, student: ModuleType) -> tuple[_End | None, str]:
        """What frontrun's dpor finds, and why it cannot tell where it cannot."""
        current: list[Any] = []
        ends: list[_End] = []
        workers = [lambda _, number=number: current[1][number]() for number in range(len(case.workers))]

        def setup() -> tuple[Any, ...]:
            self._count += 1
            self._witness.fresh()
            self.recorder.fresh()
            current[:] = self._prepare(case, student)
            return current[0]  # type: ignore[no-any-return]

        def invariant(state: tuple[Any, ...]) -> bool:
            ends.append(self._judge(case, state, current[2], Execution(lines=self.recorder.lines)))
            return not ends[-1].verdict

        start = dpor_runner.start_opcode_trace

        def start_watched(*, on_opcode: OnOpcode, **options: Any) -> OpcodeTraceHandle:
            def whatever_step(_step: bool, code: CodeType, offset: int, frame: FrameType, thread: int) -> bool:
                return on_opcode(code, offset, frame, thread)

            return self.recorder.watch(start(on_opcode=self.recorder.wrap(whatever_step), **options))

        dpor_runner.start_opcode_trace = start_watched
        try:
            with _Watching(self._witness):
                result = frontrun_library.explore(
                    setup=setup,
                    workers=workers,
                    invariant=invariant,
                    clock="virtual",
                    detect_io=False,
                    reproduce_on_failure=0,
                    max_executions=MOST_DPOR,
                    max_branches=20_000,
                    timeout_per_run=2.0,
                    deadlock_timeout=1.0,
                    total_timeout=3.0,
                )
        except Exception as error:
            return None, f"{type(error).__name__}: {error}"
        finally:
            dpor_runner.start_opcode_trace = start
        if result.property_holds is None:
            return None, str(result.inconclusive_reason)
        if result.property_holds:
            return None, ""
        if ends and ends[-1].verdict:
            return ends[-1], ""
        if "virtual clock" in str(result.explanation):
            return None, "dpor saw a deadlock, by its clock"  # true only if it can be shown
        return _End("deadlock", execution=Execution(lines=self.recorder.lines)), ""

    # -- one execution

    def _prepare(self, case: Case, student: ModuleType) -> tuple[tuple[Any, ...], list[Callable[[], None]], list[Any]]:
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

        return state, [functools.partial(body, number) for number in range(len(case.workers))], results

    def _judge(self, case: Case, state: tuple[Any, ...], results: list[Any], execution: Execution) -> _End:
        if self._untraced:
            self.blind.append("tracing was off when a thread came to its end")
        primitives.state.alone = True
        try:
            outcome = _plain(case.outcome(results, *state))
        except primitives.StillHeldError:
            return _End("held", {}, execution, list(self._witness.holds))
        except Exception as error:
            outcome = {"the end": f"raised {type(error).__name__}: {error}"}
        finally:
            primitives.state.alone = False
        return _End("" if outcome in case.allowed else "broken", outcome, execution)

    def _snapshot(self) -> None:
        self._held, self._waited = list(self._witness.holds), dict(self._witness.waits)


def _nothing() -> None:
    pass


class _Watching:
    """While it lasts, the primitives tell the witness what happens."""

    def __init__(self, witness: _Witness) -> None:
        self._witness = witness

    def __enter__(self) -> None:
        primitives.state.witness = self._witness

    def __exit__(self, *_: object) -> None:
        primitives.state.witness = None


def _plain(value: Any) -> Any:
    """``value``, with text in place of all that could have an opinion of its own on what it equals."""
    if type(value) in (list, tuple):
        return [_plain(part) for part in value]
    if type(value) is dict:
        return {name: _plain(part) for name, part in value.items()}
    if value is None or type(value) in (bool, int, float, str):
        return value
    return f"an object of type {type(value).__name__}"


def _one_after_the_other(execution: Execution) -> bool:
    turns = [thread for thread, _ in itertools.groupby(execution.lines, key=lambda line: line[0])]
    return len(turns) == len(set(turns))


def _more(execution: Execution) -> Iterator[Plan]:
    """The plan of this execution with one more switch, after its last: once for each place and thread."""
    start = max(execution.plan, default=-1) + 1
    for step, (thread, ready) in enumerate(execution.steps[start:], start):
        for other in ready:
            if other != thread:
                yield {**execution.plan, step: other}
