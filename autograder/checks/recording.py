"""Keeps the timelines of a check's calls, where they are asked for."""

from collections import deque

import msgspec

from autograder.records import Timeline
from autograder.records.timeline import CallTimeline

#: Kept of one check: the last ones, among which is the call that decided.
MOST_CALLS = 10


class Recording:
    """The calls of one check after the other."""

    def __init__(self) -> None:
        self._calls: deque[CallTimeline] = deque(maxlen=MOST_CALLS)
        self._count = 0

    def keep(self, call: CallTimeline | None) -> None:
        """Keep ``call``, unless it never began."""
        if call is not None:
            self._calls.append(call)
            self._count += 1

    def take(self) -> Timeline | msgspec.UnsetType:
        """What was kept since the last time, if anything was."""
        timeline = Timeline(calls=tuple(self._calls), calls_left_out=self._count - len(self._calls))
        self._calls.clear()
        self._count = 0
        return timeline if timeline.calls else msgspec.UNSET
