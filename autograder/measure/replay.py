"""Works out when everything would have happened on machines that are busy with nothing else.

Each rank told, in order, what it did: work of known length, calls that began, calls that ended. That order and the
lengths say when each of it happens, whatever the machine was busy with meanwhile: a clock per rank goes on by the length
of work, and where a rank waits for a message, to the moment when that arrives. Lamport's clocks (Time, Clocks, and the
Ordering of Events in a Distributed System, 1978) with durations, as SimGrid and LogGOPSim replay traces of MPI programs.

Ranks tell it from inside, where student code runs: it is exact where they are honest.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import msgspec


class ReplayError(ValueError):
    """What the ranks told cannot have happened, or is not in the form in which they tell it."""


class Stage(msgspec.Struct, frozen=True, array_like=True, tag="stage"):
    """What follows belongs to this stage."""

    name: str


class Work(msgspec.Struct, frozen=True, array_like=True, tag="work"):
    """Work is done."""

    name: str
    #: Seconds.
    length: float
    number: int
    #: In another thread than the rank's first.
    aside: bool = False


class Begin(msgspec.Struct, frozen=True, array_like=True, tag="begin"):
    """A call begins: a collective, or ``send`` to or ``recv`` from ``peer``."""

    call: int
    name: str
    group: str
    peer: int | None
    bytes: int
    aside: bool = False


class End(msgspec.Struct, frozen=True, array_like=True, tag="end"):
    """A call has ended, as whoever waited for it saw."""

    call: int


Event: TypeAlias = Stage | Work | Begin | End


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of work and when it was done, in seconds since the start."""

    rank: int
    name: str
    number: int
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Schedule:
    """When everything happened."""

    #: Until the last rank was ready.
    seconds: float
    spans: tuple[Span, ...]
    n_ranks: int

    @property
    def idle_share(self) -> float:
        """Which part of the ranks' time was no work."""
        busy = sum(span.end - span.start for span in self.spans)
        return 1 - busy / (self.n_ranks * self.seconds) if self.seconds > 0 else 0.0

    def slower(self, times: float) -> "Schedule":
        """The same when everything takes so many times as long."""
        spans = tuple(replace(span, start=span.start * times, end=span.end * times) for span in self.spans)
        return Schedule(self.seconds * times, spans, self.n_ranks)

    def chart(self, width: int = 60) -> str:
        """A line per rank: the first letter of the work's name where there is work, a dot where there is none."""
        slot = self.seconds / width if self.seconds > 0 else 1.0
        rows = [["."] * width for _ in range(self.n_ranks)]
        for span in self.spans:
            for place in range(round(span.start / slot), min(width, round(span.end / slot))):
                rows[span.rank][place] = span.name[:1]
        return "\n".join(f"  rank {rank}  {''.join(row)}" for rank, row in enumerate(rows))


def events_of(ran: Any, stage: str) -> list[list[Event]]:
    """What each rank told of a stage, from the value that `run_ranks` gave.

    Raises:
        ReplayError: It is not in the form in which ranks tell it.
    """
    try:
        ranks = msgspec.convert(ran["events"], list[list[Event]])
    except (KeyError, TypeError, msgspec.ValidationError) as error:
        raise ReplayError(str(error)) from None
    return [_in_stage(events, stage) for events in ranks]


def _in_stage(events: Sequence[Event], stage: str) -> list[Event]:
    inside = False
    found: list[Event] = []
    for event in events:
        if isinstance(event, Stage):
            inside = event.name == stage
        elif inside:
            found.append(event)
    return found


def replay(ranks: Sequence[Sequence[Event]], per_message: float = 0.0, per_byte: float = 0.0) -> Schedule:
    """When everything happened, all ranks having begun at the same moment.

    Messages of two ranks, and collectives, go one after another over their wire, each for ``per_message`` and
    ``per_byte`` seconds. A collective begins when its last rank has come.

    Raises:
        ReplayError: What the ranks told cannot have happened.
    """
    return _Replay(ranks, per_message, per_byte).run()


#: What is matched: the messages from one rank to another, or the collectives of a group, and which of them it is.
_Key: TypeAlias = tuple[object, int]


@dataclass(slots=True)
class _Message:
    """A message, or a collective."""

    bytes: int = 0
    #: When each of those who give something to it had come.
    came: dict[int, float] = field(default_factory=dict)
    arrival: float | None = None


class _Replay:
    def __init__(self, ranks: Sequence[Sequence[Event]], per_message: float, per_byte: float) -> None:
        self._ranks, self._per_message, self._per_byte = ranks, per_message, per_byte
        self._clocks = [0.0 for _ in ranks]
        #: Of those threads of a rank that do collectives beside its first one.
        self._aside = [0.0 for _ in ranks]
        self._spans: list[Span] = []
        self._counts: dict[tuple[int, object], int] = {}
        self._messages: dict[_Key, _Message] = {}
        self._calls: list[dict[int, tuple[_Key | None, bool]]] = [{} for _ in ranks]
        #: How many messages of a way have arrived, and when its wire is free again.
        self._arrived: dict[object, int] = {}
        self._free: dict[object, float] = {}
        self._members = self._find_members()

    def _find_members(self) -> dict[str, set[int]]:
        """Which ranks are in a group: those that ever call something in it."""
        members: dict[str, set[int]] = {}
        for rank, events in enumerate(self._ranks):
            for event in events:
                if isinstance(event, Begin) and event.peer is None:
                    members.setdefault(event.group, set()).add(rank)
        return members

    def run(self) -> Schedule:
        places = [0 for _ in self._ranks]
        moved = True
        while moved:
            moved = False
            for rank, events in enumerate(self._ranks):
                while places[rank] < len(events) and self._take(rank, events[places[rank]]):
                    places[rank] += 1
                    moved = True
        for rank, (place, events) in enumerate(zip(places, self._ranks, strict=True)):
            if place < len(events):
                raise ReplayError(f"rank {rank}: {events[place]} cannot have happened")
        return Schedule(max([*self._clocks, *self._aside], default=0.0), tuple(self._spans), len(self._ranks))

    def _take(self, rank: int, event: Event) -> bool:
        """Let an event happen; False where something else has to happen before."""
        match event:
            case Work():
                start = self._clocks[rank]
                self._clocks[rank] += event.length
                self._spans.append(Span(rank, event.name, event.number, start, self._clocks[rank]))
            case Begin():
                self._begin(rank, event)
            case End():
                if event.call not in self._calls[rank]:
                    return True  # begun before the stage
                key, aside = self._calls[rank][event.call]
                arrival = 0.0 if key is None else self._arrival(key)
                if arrival is None:
                    return False
                clocks = self._aside if aside else self._clocks
                clocks[rank] = max(clocks[rank], arrival)
        return True

    def _begin(self, rank: int, event: Begin) -> None:
        if event.name == "recv" and event.peer is None:
            raise ReplayError("a message from whoever sends first")
        if event.peer is not None:
            way: object = (event.peer, rank) if event.name == "recv" else (rank, event.peer)
        else:
            way = event.group
        number = self._counts.get((rank, way), 0)
        self._counts[rank, way] = number + 1
        key = (way, number)
        # Who sends need not wait for the receiver: the message is on its way.
        # What another thread receives is handed over; for a collective of its own the first thread need not wait.
        aside = event.aside and event.peer is None
        self._calls[rank][event.call] = None if event.name == "send" else key, aside
        if event.name == "recv":
            return
        message = self._messages.setdefault(key, _Message())
        message.bytes = max(message.bytes, event.bytes)
        message.came[rank] = max(self._clocks[rank], self._aside[rank]) if aside else self._clocks[rank]

    def _arrival(self, key: _Key) -> float | None:
        """When it has arrived; None while not all have come that give something to it."""
        way, number = key
        for earlier in range(self._arrived.get(way, 0), number + 1):
            message = self._messages.get((way, earlier))
            wanted = len(self._members[way]) if isinstance(way, str) else 1
            if message is None or len(message.came) < wanted:
                return None
            # Collectives of all groups share the network; two ranks have a wire of their own.
            wire = "" if isinstance(way, str) else way
            start = max(self._free.get(wire, 0.0), *message.came.values())
            message.arrival = self._free[wire] = start + self._per_message + message.bytes * self._per_byte
            self._arrived[way] = earlier + 1
        return self._messages[key].arrival
