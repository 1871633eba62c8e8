"""Keeps the limits of a call while it runs: looks at what its processes are, use and write, and keeps some of their text."""

from dataclasses import dataclass, field
from pathlib import Path

from autograder.records import Limits
from autograder.sandbox import procfs, remains
from autograder.sandbox.call import Ending

_MIB = 1024  # KiB
_LOOKS_PER_LONG_LOOK = 16


class Over(Exception):  # noqa: N818 - ends the watch, is no error
    """The call has ended, and how."""

    def __init__(self, ending: Ending, message: str = "") -> None:
        self.ending = ending
        self.message = message
        super().__init__(message)


@dataclass(slots=True)
class Text:
    """Standard output or error: the first part is kept, the rest read and dropped."""

    limit: int
    kept: bytearray = field(default_factory=bytearray)
    dropped: int = 0

    def feed(self, data: bytes) -> None:
        room = self.limit - len(self.kept)
        self.kept += data[:room]
        self.dropped += max(0, len(data) - room)

    def __str__(self) -> str:
        text = self.kept.decode(errors="replace")
        return f"{text}\n[{self.dropped:,} more bytes dropped]" if self.dropped else text


class Keeper:
    """Looks at one call.

    ``watched`` are the folders in which no file system of its own holds the files of ``owner`` to a size.
    """

    def __init__(self, limits: Limits, watched: tuple[Path, ...], owner: int) -> None:
        self._limits = limits
        self._watched = watched
        self._owner = owner
        self._looks = 0

    def look(self, snapshot: procfs.Snapshot) -> None:
        """Look once.

        Raises:
            Over: The call has passed a limit.
        """
        processes = snapshot.processes.values()
        if sum(len(process.threads) for process in processes) > self._limits.processes:
            most = f"the {self._limits.processes} processes and threads that it may"
            raise Over(Ending.CRASHED, f"It started more than {most}.")
        if self._looks % _LOOKS_PER_LONG_LOOK == 0:
            self._look_at_files()  # costs more than the rest
        self._looks += 1
        # What is shared is mostly one and the same for several processes, and so not added up.
        shared = max((process.shared_kib for process in processes), default=0)
        memory = shared + sum(process.memory_kib for process in processes)
        if memory > self._limits.memory_mb * _MIB:
            raise Over(Ending.CRASHED, f"It used more memory than the {self._limits.memory_mb} MiB that it may.")
        run = sum(thread.run for process in processes for thread in process.threads.values())
        if run > self._limits.cpu_seconds * 1e9:
            raise Over(Ending.TIMEOUT, f"It used more than the {self._limits.cpu_seconds:g} s of CPU time that it may.")

    def _look_at_files(self) -> None:
        most = len(self._watched) * self._limits.files_mb * _MIB
        if remains.used_kib(self._watched, self._owner, most) > most:
            raise Over(Ending.CRASHED, f"It wrote more than the {self._limits.files_mb} MiB of files that it may.")
