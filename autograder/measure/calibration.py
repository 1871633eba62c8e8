"""A short run of work that is known, which notices what the corrected clock cannot take out.

Time that a thread waits for its core is counted, by neighbours and by the quota of a container alike. Not counted is how fast
a core computes: two threads that share one (SMT), a hypervisor that gives its time to others, caches and memory
that are shared. All that makes the same work cost more CPU time. A pair of runs side by side suffers it alike, and the
sequential test sees what is left as noise; but who reads a speedup should know.
"""

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from autograder.measure.observation import Observation, Watch
from autograder.sandbox import Call, Ending, Sandbox

#: Steps of one process's work: some tens of milliseconds.
STEPS = 1_000_000
ROUNDS = 3
#: From these on a reader is warned.
DEAR, UNEVEN, OFF, STOLEN = 1.15, 0.15, 0.2, 0.02
_BURNING = Path(__file__).with_name("burning.py")


@dataclass(frozen=True, slots=True)
class Calibration:
    """What known work showed of this machine."""

    #: CPU time of a piece of work beside another, over that of the same work alone.
    contention: float
    #: By how much CPU times of the same work differed, as a share of their median.
    spread: float
    #: What the corrected clock showed for two processes at once, over what it showed for one.
    clock: float
    #: Share of all cores' time that a hypervisor gave to others meanwhile.
    stolen: float

    def warnings(self) -> tuple[str, ...]:
        """What to know before believing a speedup from this machine."""
        found = []
        if self.contention > DEAR:
            found.append(
                f"work beside other work costs {self.contention:.2f} times the CPU time: cores share something "
                "(SMT, memory, a hypervisor), and speedups come out lower than on cores of their own"
            )
        if self.spread > UNEVEN:
            found.append(
                f"the same work cost CPU times that differ by {self.spread:.0%}: speedups need more pairs of runs"
            )
        if abs(self.clock - self.contention) > OFF * self.contention:
            found.append(
                f"two processes at once took {self.clock:.2f} times as long as one, by the corrected clock, where their "
                f"CPU time says {self.contention:.2f}"
            )
        if self.stolen > STOLEN:
            found.append(f"a hypervisor gave {self.stolen:.0%} of the cores' time to others")
        return tuple(found)


def calibrate(sandbox: Sandbox) -> Calibration | None:
    """Try the machine for about half a second; None where the trial itself failed, which decides nothing."""
    before = psutil.cpu_times()
    alone: list[Observation] = []
    beside: list[Observation] = []
    for _ in range(ROUNDS):
        for processes, seen in ((1, alone), (2, beside)):
            one = _burn(sandbox, processes)
            if one is None:
                return None
            seen.append(one)
    after = psutil.cpu_times()
    costs = [one.cpu_seconds for one in alone]
    whole = sum(after[:8]) - sum(before[:8])
    return Calibration(
        contention=_median(beside, lambda one: one.cpu_seconds / 2) / _median(alone, lambda one: one.cpu_seconds),
        spread=(max(costs) - min(costs)) / statistics.median(costs),
        clock=_median(beside, lambda one: one.corrected_seconds) / _median(alone, lambda one: one.corrected_seconds),
        stolen=(getattr(after, "steal", 0.0) - getattr(before, "steal", 0.0)) / whole if whole > 0 else 0.0,
    )


def _burn(sandbox: Sandbox, processes: int) -> Observation | None:
    watch = Watch()
    call = Call({_BURNING.name: _BURNING.read_bytes()}, _BURNING.stem, "burn", (processes, STEPS))
    outcome = sandbox.run(call, watch)
    seen = watch.observation(outcome, None)
    return seen if outcome.ending is Ending.VALUE and seen.cpu_seconds > 0 and seen.corrected_seconds > 0 else None


def _median(seen: list[Observation], figure: Callable[[Observation], float]) -> float:
    return statistics.median(map(figure, seen))
