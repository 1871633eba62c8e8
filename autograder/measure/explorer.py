"""Searches the executions of a case for one that must not be, and reports what it found.

This module runs inside the sandbox, beside student code.
"""

import itertools
import random
import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from autograder.measure import dpor, primitives
from autograder.measure.dpor import Answer
from autograder.measure.executions import Case, End, Executions
from autograder.measure.guard import Guard
from autograder.measure.schedules import Execution, Plan
from autograder.measure.steps import LEAVES, WAITS

#: Executions of a case with one switch, and with two.
MOST_SINGLE = MOST_DOUBLE = 150
#: Executions with two switches of all cases of a check together: a mistake shows in more than one of them.
MOST_DOUBLE_TOGETHER = 180
#: What a line of the report says of itself.
_KINDS = {WAITS: "waits", LEAVES: "leaves"}


class Explorer:
    """Explores cases of one module."""

    def __init__(self, own_file: str, source: str, watch: Guard, deadline: float, cases: int = 1) -> None:
        self._deadline = deadline
        self._most_double = min(MOST_DOUBLE, MOST_DOUBLE_TOGETHER // cases)
        self._executions = Executions(own_file, source, watch)
        self._dpor_ends = True
        self.blind = self._executions.blind

    def examine(self, case: Case, student: ModuleType) -> dict[str, Any]:
        """Search for an execution that must not be."""
        executions = self._executions
        executions.begin()
        tried: list[End] = []
        bad = self._single_switches(case, student, tried)
        if bad is None:
            answer, found = self._by_dpor(case, student)
            if answer is not Answer.HOLDS:
                # Two switches show what dpor found in fewer lines, or look where it cannot.
                bad = self._double_switches(case, student, tried, self._most_double) or found
        executions.end()
        undecided = ""
        if bad is None and time.monotonic() > self._deadline:
            undecided = "there was not enough time"
        if bad is not None and bad.verdict == "stuck":
            bad, undecided = None, "a thread waits for what is no lock, queue or condition of Python's"
        if bad is None and executions.has_threads():
            undecided = "the submission starts threads of its own, which cannot be steered"
        covered = executions.recorder.covered
        report = {
            "calls": list(case.calls),
            "uses": list(case.uses),
            "lesson": case.lesson,
            "allowed": list(case.allowed),
            "executions": executions.count,
            "covered": sorted([line, function] for line, function in covered if line),
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
                "waits": [[thread, *stack[:1], lock] for thread, (stack, lock) in sorted(bad.waits.items()) if stack],
                "callers": [[thread, stack[1:]] for thread, (stack, _) in sorted(bad.waits.items())],
            }
        return report

    def breaks_without_locks(self, case: Case, student: ModuleType) -> bool:
        """Whether the case goes wrong where nothing blocks, though each thread by itself does right."""
        self._executions.begin()
        primitives.state.permissive = True
        try:
            tried: list[End] = []
            bad = self._single_switches(case, student, tried)
            if bad is None:
                bad = self._double_switches(case, student, tried, MOST_DOUBLE)
            return bad is not None and bad.verdict != "stuck" and bad not in tried[: len(case.workers)]
        finally:
            primitives.state.permissive = False
            self._executions.end()

    def close(self) -> None:
        """There are no more cases."""
        self._executions.close()

    # -- searches

    def _by_dpor(self, case: Case, student: ModuleType) -> tuple[Answer, End | None]:
        if self._executions.intricate or not self._dpor_ends:
            return Answer.UNKNOWN, None
        self._executions.close()  # dpor has a tracing of its own
        answer, found = dpor.search(case, student, self._executions)
        # Where it does not come to an end with one case, it does not with the next ones, which use the same locks.
        self._dpor_ends = answer is not Answer.UNKNOWN
        return answer, found

    def _single_switches(self, case: Case, student: ModuleType, tried: list[End]) -> End | None:
        for first in range(len(case.workers)):
            tried.append(self._executions.run(case, student, {}, first))
            if tried[-1].verdict:
                return tried[-1]
        plans = [(first, plan) for first, end in enumerate(tried) for plan in _more(end.execution)]
        return self._try(case, student, plans, MOST_SINGLE, tried)

    def _double_switches(self, case: Case, student: ModuleType, tried: list[End], most: int) -> End | None:
        plans = [(end.first, plan) for end in tried[len(case.workers) :] for plan in _more(end.execution)]
        return self._try(case, student, plans, most, [])

    def _try(
        self, case: Case, student: ModuleType, plans: list[tuple[int, Plan]], most: int, tried: list[End]
    ) -> End | None:
        if len(plans) > most:
            plans = random.Random(0).sample(plans, most)
        for first, plan in plans:
            tried.append(self._executions.run(case, student, plan, first))
            if tried[-1].verdict:
                return tried[-1]
            if time.monotonic() > self._deadline:
                break
        return None


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
