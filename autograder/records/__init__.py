"""Plain immutable data: exercises, checks, verdicts and results. Imports nothing else of ours."""

from autograder.records.exercise import CheckInfo, Exercise, Kind, Limits
from autograder.records.result import SCHEMA, Machine, Outcome, Report, Result, Verdict
from autograder.records.timeline import Timeline

__all__ = [
    "SCHEMA",
    "CheckInfo",
    "Exercise",
    "Kind",
    "Limits",
    "Machine",
    "Outcome",
    "Report",
    "Result",
    "Timeline",
    "Verdict",
]
