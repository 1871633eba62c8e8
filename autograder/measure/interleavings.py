"""Explores in which order threads can run a student's code, and reports what came of it.

    explore("race", [Case(calls=("account.deposit(5)", "account.deposit(5)"), setup=..., workers=..., ...)])

Three searches, each repeatable: every execution with one switch from thread to thread, by a scheduler of ours; then
frontrun's dpor, which reaches several switches where accesses conflict; then, where dpor cannot tell, two switches.
A case that holds is explored once more with locks that never block (see ``primitives``): code that is right thanks
to its locks breaks then, and if it does not, the explorer did not see it.

The report is plain data; :mod:`autograder.measure.races` judges it, in the grader. This module runs inside the
sandbox, beside student code, and is imported before it.
"""

import dataclasses
import importlib
import importlib.util
import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from frontrun import _tracing

from autograder.measure import guard
from autograder.measure.executions import Case
from autograder.measure.explorer import Explorer
from autograder.measure.primitives import install

__all__ = ["Case", "explore", "install"]

#: Real seconds after which exploring ends undecided: far more than it takes on a loaded machine.
MOST_SECONDS = 20.0


def explore(module: str, cases: Sequence[Case], challenge: str = "10", proof: Case | None = None) -> dict[str, Any]:
    """Import the student's ``module`` and explore the cases, up to the first that does not hold.

    Args:
        module: The student's module. It must not have been imported.
        cases: What to explore.
        challenge: One canary for each character, racy for "1" and locked for "0"; the report says what was found.
        proof: A case that breaks without locks if the explorer sees the code: one for all, and quick to find.
    """
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"no module {module}")
    install()
    watch = guard.stand_guard(spec.origin, ("autograder", "driver", "frontrun"))
    deadline = time.monotonic() + MOST_SECONDS
    explorer = Explorer(spec.origin, Path(spec.origin).read_text(encoding="utf-8"), watch, deadline, len(cases))
    examine, proves, close = explorer.examine, explorer.breaks_without_locks, explorer.close
    canary, findings = _canary, watch.findings
    _tracing.set_active_trace_filter(_Filter(watch.traces))
    student = importlib.import_module(module)
    if changed := findings():
        return {"cases": [], "canaries": "", "findings": changed}
    reports = []
    shown: bool | None = None
    for case in cases:
        report = examine(case, student)
        if report["verdict"] == "holds":
            if proof is not None and shown is None:
                shown = proves(proof, student)
            report["proof"] = shown or proves(case, student)
        reports.append(report)
        if report["verdict"] != "holds":
            break
    close()
    # Time of their own: a slow machine must not look like a submission that hides.
    answers = "".join(canary(racy == "1", watch, time.monotonic() + MOST_SECONDS) for racy in challenge)
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


def _canary(racy: bool, watch: guard.Guard, deadline: float) -> str:
    """Explore a class of random names, with a race or without.

    Gives "1" when a race was found, "0" when it holds, "?" when the explorer could not tell.
    """
    names = {name: f"{name}_{secrets.token_hex(4)}" for name in ("kind", "value", "lock", "method")}
    source = _CANARY.format(**names, guard="if True:" if racy else f"with self.{names['lock']}:")
    module = ModuleType(names["kind"])
    filename = f"/{names['kind']}.py"
    exec(compile(source, filename, "exec"), vars(module))
    method = getattr(vars(module)[names["kind"]], names["method"])
    alone = dataclasses.replace(watch, has_threads=lambda: False)
    explorer = Explorer(filename, source, alone, deadline)
    report = explorer.examine(
        Case(
            calls=("", ""),
            setup=lambda module: (vars(module)[names["kind"]](),),
            workers=(lambda _, state: method(state),) * 2,
            outcome=lambda _, state: {"value": getattr(state, names["value"])},
            allowed=({"value": 2},),
        ),
        module,
    )
    explorer.close()
    return {"broken": "1", "holds": "0"}.get(report["verdict"], "?")


guard.remember()
