"""frontrun's dpor behind a small interface: what it finds, and why it cannot tell where it cannot.

What it cannot do, and how that is worked round, is in docs/races.md. This module runs inside the sandbox, beside
student code.
"""

from enum import Enum, auto
from types import CodeType, FrameType, ModuleType
from typing import Any

import frontrun
from frontrun._dpor_runtime import runner
from frontrun._opcode_observer import OpcodeTraceHandle

from autograder.measure.executions import Case, End, Executions, Started
from autograder.measure.schedules import Execution
from autograder.measure.steps import OnOpcode

#: Executions of a case. Where it comes to an end, it takes fewer than ten; where it does not, more do not help.
MOST = 12


class Answer(Enum):
    """What came of a search."""

    HOLDS = auto()
    BROKEN = auto()
    #: It did not come to an end, or saw what it may have misjudged.
    UNKNOWN = auto()


def search(case: Case, student: ModuleType, executions: Executions) -> tuple[Answer, End | None]:
    """Search for an execution that must not be, and give the one that was found."""
    before = executions.count
    current: list[Started] = []
    ends: list[End] = []
    workers = [lambda _, number=number: current[0].workers[number]() for number in range(len(case.workers))]

    def setup() -> tuple[Any, ...]:
        current[:] = [executions.start(case, student)]
        return current[0].state

    def invariant(_state: tuple[Any, ...]) -> bool:
        ends.append(executions.judge(current[0], Execution(lines=executions.recorder.lines)))
        return not ends[-1].verdict

    start = runner.start_opcode_trace

    def start_watched(*, on_opcode: OnOpcode, **options: Any) -> OpcodeTraceHandle:
        def whatever_step(_step: bool, code: CodeType, offset: int, frame: FrameType, thread: int) -> bool:
            return on_opcode(code, offset, frame, thread)

        recorder = executions.recorder
        return recorder.watch(start(on_opcode=recorder.wrap(whatever_step), **options))

    runner.start_opcode_trace = start_watched
    try:
        with executions.watching():
            result = frontrun.explore(
                setup=setup,
                workers=workers,
                invariant=invariant,
                clock="virtual",
                detect_io=False,
                reproduce_on_failure=0,
                max_executions=MOST,
                max_branches=20_000,
                timeout_per_run=2.0,
                deadlock_timeout=1.0,
                total_timeout=3.0,
            )
    except Exception:  # of frontrun's own: there is another search
        return Answer.UNKNOWN, None
    finally:
        runner.start_opcode_trace = start
    if result.property_holds is None:
        return Answer.UNKNOWN, None
    if result.property_holds:
        # It says so of what it has not finished, too.
        return Answer.HOLDS if executions.count - before < MOST else Answer.UNKNOWN, None
    if ends and ends[-1].verdict:
        return Answer.BROKEN, ends[-1]
    # A deadlock. It goes by the addresses of locks, which are used again, and by a clock of its own: true only if shown.
    return Answer.UNKNOWN, None
