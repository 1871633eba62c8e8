"""How strongly a submission is held: the isolation levels, strongest first."""

import sys
from enum import StrEnum


class Isolation(StrEnum):
    """What stands between a submission and the machine."""

    #: Linux namespaces: own processes, network, IPC and file system; an unprivileged user; all limits.
    NAMESPACES = "namespaces"
    #: Linux without namespaces: Landlock on the file system, limits, and a subreaper that finds every orphan.
    LANDLOCK = "landlock"
    #: Elsewhere: a process group of its own and limits. For one's own code only.
    PROCESS = "process"

    @property
    def holds_strangers(self) -> bool:
        """Whether code of strangers may be run at this level."""
        return self is not Isolation.PROCESS


def candidates(forced: Isolation | None = None) -> tuple[Isolation, ...]:
    """The levels to try on this system, strongest first."""
    if forced is not None:
        return (forced,)
    return tuple(Isolation) if sys.platform == "linux" else (Isolation.PROCESS,)
