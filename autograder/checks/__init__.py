"""What the checks of an exercise are written with. See CONTRIBUTING.md for a worked example.

For exercises with random numbers there is ``from autograder.checks import streams``, which needs numpy.
"""

from autograder.checks.asserts import (
    assert_clean,
    assert_close,
    assert_same_over,
    cannot_measure,
    expect_type,
    fail,
    fingerprint,
    inconclusive,
    shorten,
)
from autograder.errors import SubmissionCrashedError, SubmissionError, SubmissionTimeoutError
from autograder.measure.fingerprints import Difference, Run

__all__ = [
    "Difference",
    "Run",
    "SubmissionCrashedError",
    "SubmissionError",
    "SubmissionTimeoutError",
    "assert_clean",
    "assert_close",
    "assert_same_over",
    "cannot_measure",
    "expect_type",
    "fail",
    "fingerprint",
    "inconclusive",
    "shorten",
]
