"""Runs untrusted code: isolation levels, the zygote, limits, reaping, and the safe wire format."""

from autograder.sandbox.call import Call, Ending, Observer, Outcome, Sandbox
from autograder.sandbox.client import ZygoteSandbox
from autograder.sandbox.levels import Isolation
from autograder.sandbox.procfs import Counters, ProcessState, Snapshot
from autograder.sandbox.wire import Function

__all__ = [
    "Call",
    "Counters",
    "Ending",
    "Function",
    "Isolation",
    "Observer",
    "Outcome",
    "ProcessState",
    "Sandbox",
    "Snapshot",
    "ZygoteSandbox",
]
