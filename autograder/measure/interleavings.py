"""Explores in which order threads can run a student's code, and reports what came of it.

    explore("race", [Case(calls=("account.deposit(5)", "account.deposit(5)"), setup=..., workers=..., ...)])

Three searches, each repeatable: every execution with one switch from thread to thread, by a scheduler of ours; then
frontrun's dpor, which reaches several switches where accesses conflict; then, where dpor cannot tell, two switches.
A case that holds is explored once more with locks that never block (see ``primitives``): code that is right thanks
to its locks breaks then, and if it does not, the explorer did not see it.

The report is plain data; :mod:`autograder.measure.races` judges it, in the grader. This module runs inside the
sandbox, beside student code, and is imported before it.
"""

import importlib
import importlib.util
import itertools
import random
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import frontrun as frontrun_library
from frontrun import _cooperative as frontrun
from frontrun import _tracing
from frontrun._dpor_runtime import runner as dpor_runner

from autograder.measure import guard, primitives, schedules
from autograder.measure.schedules import LEAVES, WAITS, Execution, Plan, Recorder, SharedNames

#: Executions of a case with one switch, of dpor, and with two switches.
MOST_SINGLE, MOST_DPOR, MOST_DOUBLE = 150, 60, 150
#: To show that code hangs on its locks, fewer will do.
MOST_PERMISSIVE_DOUBLE, MOST_PERMISSIVE_STEPS = 150, 600
#: Real seconds after which a case is given up undecided: far more than one takes on a loaded machine.
MOST_SECONDS = 8.0
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


def explore(module: str, cases: Sequence[Case], challenge: str = "10", proof: Case | None = None) -> dict[str, Any]:
    """Import the student's ``module`` and explore the cases, up to the first that does not hold.

    Args:
        module: The student's module. It must not have been imported.
        cases: What to explore.
        challenge: One canary for each character, racy for "1" and locked for "0"; the report says what was found.
        proof: A case that breaks without locks, for cases that need not.
    """
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"no module {module}")
    primitives.install()
    watch = guard.stand_guard(spec.origin, ("autograder", "driver", "frontrun"))
    explorer = _Explorer(spec.origin, Path(spec.origin).read_text(encoding="utf-8"), watch)
    examine, proves, canary, findings = explorer.examine, explorer.breaks_without_locks, _canary, watch.findings
    _tracing.set_active_trace_filter(_Filter(watch.traces))
    student = importlib.import_module(module)
    if changed := findings():
        return {"cases": [], "canaries": "", "findings": changed}
    reports = []
    shown: bool | None = None
    for case in cases:
        report = examine(case, student)
        if report["verdict"] == "holds":
            report["proof"] = proves(case, student, 1)
            if not report["proof"] and proof is not None:
                if shown is None:
                    shown = proves(proof, student, 2)
                report["proof"] = shown
        reports.append(report)
        if report["verdict"] != "holds":
            break
    answers = "".join(canary(racy == "1", watch) for racy in challenge)
    return {"cases": reports, "canaries": answers, "findings": [*explorer.blind[:1], *findings()]}


class _Filter(_tracing.TraceFilter):
    """frontrun's question which files to trace, answered by the guard."""

    def __init__(self, traces: Callable[[str], bool]) -> None:
        super().__init__()
        self._traces = traces
        self._known: dict[str, bool] = {}

    def should_trace_file(self, filename: str) -> bool:
        answer = self._known.get(filename)
        if answer is None:
            answer = self._known[filename] = self._traces(filename)
        return answer


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


class _Explorer:
    """Explores cases of one module."""

    def __init__(self, own_file: str, source: str, watch: guard.Guard) -> None:
        self.blind: list[str] = []
        self._untraced = self._tried = False
        self.recorder = Recorder(own_file, SharedNames(source), watch)
        self._witness = _Witness(own_file, self.recorder)
        name = f"end_{secrets.token_hex(4)}"
        space: dict[str, Any] = {}
        exec(compile(f"def {name}(): pass", f"/{name}.py", "exec"), space)
        self._last_line = space[name]

    def examine(self, case: Case, student: ModuleType) -> dict[str, Any]:
        """Search for an execution that must not be."""
        self._deadline = time.monotonic() + MOST_SECONDS
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
            bad, undecided = None, "a thread waits for something that is no lock, queue or condition of Python's"
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

        def start_watched(*, on_opcode: Any, **options: Any) -> Any:
            plain = lambda _step, code, offset, frame, thread: on_opcode(code, offset, frame, thread)  # noqa: E731
            return self.recorder.watch(start(on_opcode=self.recorder.wrap(plain), **options))

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
            if not self.recorder.lines or self.recorder.lines[-1][2] != self._last_line.__name__:
                self._untraced = True

        return state, [lambda number=number: body(number) for number in range(len(case.workers))], results

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


_CANARY = """\
import threading
class {kind}:
    def __init__(self):
        self.{value} = 0
        self.{lock} = threading.Lock()
    def {method}(self):
        {guard}
            {value} = self.{value}
            self.{value} = {value} + 1
"""


def _canary(racy: bool, watch: guard.Guard) -> str:
    """Explore a class of random names, with a race or without: "1" when a race was found, "0" when it holds."""
    names = {name: f"{name}_{secrets.token_hex(4)}" for name in ("kind", "value", "lock", "method")}
    source = _CANARY.format(**names, guard="if True:" if racy else f"with self.{names['lock']}:")
    module = ModuleType(names["kind"])
    filename = f"/{names['kind']}.py"
    exec(compile(source, filename, "exec"), vars(module))
    method = getattr(vars(module)[names["kind"]], names["method"])
    report = _Explorer(filename, source, watch).examine(
        Case(
            calls=("", ""),
            setup=lambda module: (vars(module)[names["kind"]](),),
            workers=(lambda _, state: method(state),) * 2,
            outcome=lambda _, state: {"value": getattr(state, names["value"])},
            allowed=({"value": 2},),
        ),
        module,
    )
    return {"broken": "1", "holds": "0"}.get(report["verdict"], "?")


guard.remember()
