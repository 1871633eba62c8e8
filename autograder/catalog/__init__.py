"""Finds and loads exercises, what their checks say of themselves, and submissions. Runs none of it."""

from autograder.catalog.check_sources import read_checks
from autograder.catalog.exercises import Course, ExerciseFolder, Where, WrongSubmission
from autograder.catalog.submissions import Submission, find_submissions

__all__ = [
    "Course",
    "ExerciseFolder",
    "Submission",
    "Where",
    "WrongSubmission",
    "find_submissions",
    "read_checks",
]
