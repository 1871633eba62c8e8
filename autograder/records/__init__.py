"""Plain immutable data: exercises, checks, verdicts and results. Imports nothing else of ours."""

from autograder.records.exercise import DEVICE_VARIABLE, CheckInfo, Device, Exercise, Kind, Limits
from autograder.records.progress import PROGRESS_VERSION, LastCheck, Standing
from autograder.records.result import SCHEMA, Machine, Outcome, Report, Result, Verdict
from autograder.records.timeline import Timeline

__all__ = [
    "DEVICE_VARIABLE",
    "PROGRESS_VERSION",
    "SCHEMA",
    "CheckInfo",
    "Device",
    "Exercise",
    "Kind",
    "LastCheck",
    "Limits",
    "Machine",
    "Outcome",
    "Report",
    "Result",
    "Standing",
    "Timeline",
    "Verdict",
]
