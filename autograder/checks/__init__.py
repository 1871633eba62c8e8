"""What the checks of an exercise are written with. See CONTRIBUTING.md for a worked example."""

from autograder.checks.asserts import (
    assert_clean,
    assert_close,
    cannot_measure,
    expect_type,
    fail,
    fingerprint,
    inconclusive,
    shorten,
)
from autograder.errors import SubmissionCrashedError, SubmissionError, SubmissionTimeoutError

__all__ = [
    "SubmissionCrashedError",
    "SubmissionError",
    "SubmissionTimeoutError",
    "assert_clean",
    "assert_close",
    "cannot_measure",
    "expect_type",
    "fail",
    "fingerprint",
    "inconclusive",
    "shorten",
]
