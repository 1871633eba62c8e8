"""How far a student is with an exercise, as far as files tell."""

import msgspec

PROGRESS_VERSION = 1


class LastCheck(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What ``autograder check`` saw last of an exercise; kept as a file in the student's course folder."""

    version: int = PROGRESS_VERSION
    #: Points for the public checks, and how many there are.
    score: float
    points: float
    #: Fingerprint of the work that was checked.
    work: str


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How far a student is with one exercise."""

    #: Whether the work differs from what was released; None where it is not known what was.
    begun: bool | None = None
    last_check: LastCheck | None = None
    #: Whether the work has changed since the last check.
    changed: bool = False
