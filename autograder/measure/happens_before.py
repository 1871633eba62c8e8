"""Which messages were changed before it was certain that they had arrived.

Memory that was sent belongs to the message until that has been waited for, or until its sender knows by other messages that
it has been received: then its arrival *happens before* the change, whatever the machine does. Found by vector clocks (Lamport,
Time, Clocks, and the Ordering of Events in a Distributed System, 1978; Fidge 1988; Mattern 1989): a rank's clock counts the
steps of each rank that it can know of.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

#: As ranks tell of it: ``name``, ``group``, and where they apply ``peer``, ``tag`` and ``root``.
Call: TypeAlias = dict[str, Any]
Clock: TypeAlias = list[int]
#: Which message from whom to whom, or which collective of which group.
Key: TypeAlias = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Begun:
    """A call begins."""

    call: Call


@dataclass(frozen=True, slots=True)
class Ended:
    """A call has ended, as whoever waited for it saw."""

    call: Call


@dataclass(frozen=True, slots=True)
class Changed:
    """What this call sent was seen to have changed since the step before."""

    call: Call


Step: TypeAlias = Begun | Ended | Changed


def changed_on_their_way(ranks: Sequence[Sequence[Step]]) -> list[Call]:
    """The calls that sent what was changed while it could still be on its way.

    Args:
        ranks: What each rank did, in its order.
    """
    return list(_Replay(ranks).unsafe())


class _Replay:
    """Goes through the steps of all ranks, each after those that it had to wait for."""

    def __init__(self, ranks: Sequence[Sequence[Step]]) -> None:
        self._ranks = ranks
        self._clocks: list[Clock] = [[0] * len(ranks) for _ in ranks]
        self._counts: dict[tuple[int, Key], int] = {}
        #: By the identity of a call.
        self._keys: dict[int, Key] = {}
        #: What each rank knew when it began its part of a message or collective.
        self._knew: dict[Key, dict[int, Clock]] = {}
        #: The receiver's own count when it had received a message.
        self._received: dict[Key, int] = {}
        self._members: dict[str, set[int]] = {}
        for rank, steps in enumerate(ranks):
            for step in steps:
                if isinstance(step, Begun) and step.call["name"] not in ("send", "recv"):
                    self._members.setdefault(step.call["group"], set()).add(rank)

    def unsafe(self) -> Iterator[Call]:
        """The calls whose `Changed` does not come after their arrival."""
        places = [0 for _ in self._ranks]
        moved = True
        while moved:
            moved = False
            for rank, steps in enumerate(self._ranks):
                while places[rank] < len(steps) and self._take(rank, step := steps[places[rank]]):
                    places[rank] += 1
                    moved = True
                    if isinstance(step, Changed) and not self._knows_of_arrival(rank, step.call):
                        yield step.call
        for place, steps in zip(places, self._ranks, strict=True):
            # After a call that never ended there is nothing to be known.
            yield from (step.call for step in steps[place:] if isinstance(step, Changed))

    def _take(self, rank: int, step: Step) -> bool:
        """Let a step happen; False where something of another rank has to happen before."""
        clock = self._clocks[rank]
        if isinstance(step, Ended) and id(step.call) in self._keys:
            key = self._keys[id(step.call)]
            known = self._knew.get(key, {})
            teachers = self._teachers(rank, step.call)
            if not teachers <= known.keys():
                return False
            for teacher in teachers:
                clock[:] = map(max, clock, known[teacher])
        clock[rank] += 1
        if isinstance(step, Begun):
            key = self._keys[id(step.call)] = self._key(rank, step.call)
            if step.call["name"] != "recv":
                self._knew.setdefault(key, {})[rank] = clock.copy()
        elif isinstance(step, Ended) and step.call.get("name") == "recv":
            self._received[self._keys[id(step.call)]] = clock[rank]
        return True

    def _key(self, rank: int, call: Call) -> Key:
        match call["name"]:
            case "send":
                way: Key = (call["group"], rank, call.get("peer"), call.get("tag"))
            case "recv":
                way = (call["group"], call.get("peer"), rank, call.get("tag"))
            case _:
                way = (call["group"],)
        number = self._counts.get((rank, way), 0)
        self._counts[rank, way] = number + 1
        return (*way, number)

    def _teachers(self, rank: int, call: Call) -> set[int]:
        """Whose knowledge a rank has when the call has ended."""
        match call["name"]:
            case "send":
                return set()
            case "recv":
                return {call["peer"]}
            case "broadcast" | "scatter":
                return {call.get("root", rank)}
            case "reduce" | "gather" if call.get("root") != rank:
                return set()
            case _:
                return self._members[call["group"]]

    def _knows_of_arrival(self, rank: int, call: Call) -> bool:
        received = self._received.get(self._keys[id(call)])
        return received is not None and received <= self._clocks[rank][call["peer"]]
