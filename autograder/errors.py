"""All exceptions of the package, one tree.

AutograderError
├── UsageError                  the command cannot be carried out as it was given (exit status 2)
│   ├── CatalogError            an exercise folder is not as it should be
│   └── SubmissionNotFoundError no submission where one was said to be
├── SubmissionFailure           what a submission did; becomes a verdict about the student's work
│   ├── SubmissionError         the student's function raised
│   ├── SubmissionTimeoutError  it did not answer within its limits
│   └── SubmissionCrashedError  its process died, passed a limit or broke the protocol
└── GraderError                 our own fault; never charged to a student (exit status 3)
    └── SandboxError            the sandbox could not be set up or did not answer

One more stays within its room and is turned into one of these: `WireError` in `sandbox.wire`, of bytes that are no value.
"""


class AutograderError(Exception):
    """Base of everything that this package raises on purpose."""


class UsageError(AutograderError):
    """The command cannot be carried out as given. The text is one line: what, why, and the remedy."""


class CatalogError(UsageError):
    """An exercise folder is not as it should be."""


class SubmissionNotFoundError(UsageError):
    """No submission where one was said to be."""


class SubmissionFailure(AutograderError):  # noqa: N818 - a verdict about the student's work, not an error of ours
    """Base of what a submission can do instead of answering."""


class SubmissionError(SubmissionFailure):
    """The student's function raised.

    Attributes:
        type: Name of the exception's class, as ``"ValueError"``.
        message: Its text, cut at a few thousand characters.
        traceback: The part of the traceback that lies in the student's file; empty where there is none.
    """

    def __init__(self, type: str, message: str, traceback: str = "") -> None:  # noqa: A002
        self.type = type
        self.message = message
        self.traceback = traceback
        super().__init__(f"{type}: {message}" if message else type)


class SubmissionTimeoutError(SubmissionFailure):
    """The submission did not answer within the time that its exercise allows."""


class SubmissionCrashedError(SubmissionFailure):
    """The submission's process died, passed a limit, or sent what is no answer."""


class GraderError(AutograderError):
    """A fault of the grader."""


class SandboxError(GraderError):
    """The sandbox could not be set up, or its own part of the protocol failed."""
