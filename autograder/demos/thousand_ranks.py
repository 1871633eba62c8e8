"""A thousand ranks: what an all-reduce costs where there is no such cluster.

Two processes send each other short and long messages over a loopback socket: that gives the time of a message (alpha) and of
a byte (beta) on this machine. Beside it stands a cluster with figures that are assumed. The messages of each algorithm are
counted, rank by rank, for 2 to 1,024 ranks, and the time is worked out: alpha + beta * n for a message of n bytes.

Nothing is sent but the messages of the two processes. Additions cost nothing here, and the network has room for all.
"""

import math
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rich.text import Text

from autograder.demos.children import MIB, echo, receive
from autograder.demos.crew import QUICKEST, Crew
from autograder.demos.demo import Demo, Size
from autograder.demos.drawing import Drawing, heading
from autograder.errors import GraderError
from autograder.measure.hockney import Hockney
from autograder.measure.replay import Begin, End, Event, Work, replay

RANKS = tuple(1 << bit for bit in range(1, 11))
#: 100 Gbit/s.
CLUSTER = Hockney(alpha=10e-6, beta=1 / 12.5e9)
#: Size in bytes and number of the messages there and back. The quickest of each size counts: what disturbs only delays.
MESSAGES = ((8, 300), (4 * MIB, 12))
#: Seconds after which a message counts as lost.
_PATIENCE = 60.0

#: Elements of the small tensor; all elements are float32.
FEW = 8
_ELEMENT = 4
#: The parameter tensors of a ResNet-50, all taken to have the same size.
TENSORS = 161
#: Seconds of the backward pass.
BACKWARD = 0.1
#: Bytes of a bucket of DistributedDataParallel, if nothing else is said.
BUCKET = 25 * MIB

_PANEL = 35
_UNITS = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6))
AFTER = """
Gathering in one place takes twice p - 1 whole tensors, one after another. On the ring (exercise all_reduce) a rank sends 2 (p - 1) / p
of a tensor, the least that is possible, but in 2 (p - 1) messages one after another; with few elements they are all that counts, and
pairs at distances 1, 2, 4, ... need log2 p. Halving first and doubling then has few messages and few bytes, but sends far, where real
networks are narrow: NCCL chooses by size, and has trees as well.

So one call for each parameter tensor (exercise ddp) pays for the messages 161 times. Buckets of 25 MiB that are sent while the
backward pass goes on (exercise overlap) hide a part of one ring of everything: the last of them comes when there is nothing left to
compute, and each pays for its own messages. How many buckets are best depends on the network, and on the number of ranks.
"""


class AllReduce(NamedTuple):
    """What an all-reduce takes, in seconds."""

    #: By the algorithm's sign.
    seconds: Mapping[str, float]
    least: float


class Step(NamedTuple):
    """What a step of data parallel training takes for its gradients, in seconds."""

    #: One ring for each parameter tensor.
    calls: float
    #: One ring for all of them.
    flat: float
    least: float
    #: Which share of what can be hidden behind the backward pass is hidden, with buckets of `BUCKET` bytes.
    hidden: float


@dataclass(frozen=True)
class Costs:
    """Everything on one network, by number of ranks."""

    network: Hockney
    many: Mapping[int, AllReduce]
    few: Mapping[int, AllReduce]
    steps: Mapping[int, Step]


@dataclass(frozen=True)
class Seen:
    """Costs here and on the cluster, for so many elements."""

    elements: int
    here: Costs
    cluster: Costs


def measure(size: int) -> Seen:
    """Time messages on this machine; work out what all-reduces of `size` elements take here and on the cluster."""
    return Seen(size, costs(calibrate(), size), costs(CLUSTER, size))


def calibrate() -> Hockney:
    """What messages of two processes of this machine take over a loopback socket."""
    try:
        with Crew() as crew, socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(_PATIENCE)
            other = crew.start(QUICKEST, echo, server.getsockname(), MESSAGES)
            wire, _ = server.accept()
            with wire:
                wire.settimeout(_PATIENCE)
                wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                short, long = (min(_way(wire, size) for _ in range(times)) for size, times in MESSAGES)
                other.hear()
    except (OSError, EOFError) as error:
        raise GraderError(f"two processes cannot send messages to each other over the loopback: {error}") from None
    return Hockney(short, max(0.0, long - short) / (MESSAGES[1][0] - MESSAGES[0][0]))


def _way(wire: socket.socket, size: int) -> float:
    """Seconds of a message to the other process: half of the time there and back."""
    message = memoryview(bytearray(size))
    start = time.perf_counter()
    wire.sendall(message)
    receive(wire, message)
    return (time.perf_counter() - start) / 2


def costs(network: Hockney, elements: int) -> Costs:
    """What `elements` and few elements take on a network."""
    # Not before all processes are there: numpy starts threads, and Ctrl-C may reach one of them in the midst of a start.
    from autograder.measure import collectives

    algorithms = {
        "G": collectives.gather_and_broadcast,
        "R": collectives.ring,
        "D": collectives.recursive_doubling,
        "H": collectives.halving_and_doubling,
    }

    def reduced(length: int, n_ranks: int) -> AllReduce:
        seconds = {
            sign: collectives.simulate(algorithm, length, n_ranks, network, _ELEMENT)
            for sign, algorithm in algorithms.items()
        }
        return AllReduce(seconds, collectives.least_seconds(length, n_ranks, network, _ELEMENT))

    def call_for_each(n_ranks: int) -> float:
        size, larger = divmod(elements, TENSORS)
        return sum(
            times * collectives.simulate(collectives.ring, length, n_ranks, network, _ELEMENT)
            for length, times in ((size, TENSORS - larger), (size + 1, larger))
        )

    many = {n_ranks: reduced(elements, n_ranks) for n_ranks in RANKS}
    few = {n_ranks: reduced(FEW, n_ranks) for n_ranks in RANKS}
    steps = {
        n_ranks: Step(call_for_each(n_ranks), one.seconds["R"], one.least, hidden(network, elements, n_ranks))
        for n_ranks, one in many.items()
    }
    return Costs(network, many, few, steps)


def hidden(network: Hockney, elements: int, n_ranks: int) -> float:
    """The hidden share with buckets, as exercise 11 counts it.

    That is the time saved, against a backward pass with one ring of everything after it, as a share of the shorter of the
    two. It is negative where buckets cost more than they save.

    All ranks do the same at the same time, so that one of them shows it. An all-reduce is a ring, whose time is linear in
    the bytes but for less than one element in each message.
    """
    per_message, per_byte = 2 * (n_ranks - 1) * network.alpha, 2 * (n_ranks - 1) / n_ranks * network.beta
    events: list[Event] = []
    calls = sent = 0
    for number in range(TENSORS):
        events.append(Work("backward", BACKWARD / TENSORS, number))
        size = (number + 1) * elements // TENSORS * _ELEMENT - sent
        if size >= BUCKET or number == TENSORS - 1:
            events.append(Begin(calls, "all_reduce", "", None, size))
            calls, sent = calls + 1, sent + size
    events += [End(call) for call in range(calls)]
    alone = per_message + sent * per_byte
    seconds = replay([events], per_message, per_byte).seconds
    return (BACKWARD + alone - seconds) / min(BACKWARD, alone)


def draw(seen: Seen) -> Drawing:
    """For many elements and for few a chart of both networks side by side; then a table of the steps."""
    both = (seen.here, seen.cluster)
    names = [
        f"{name}: {told(one.network.alpha)}, {_rate(one.network.beta)}"
        for name, one in zip(("this machine", "a cluster"), both, strict=True)
    ]
    over = heading("       " + "  ".join(f"{name:<{_PANEL}}" for name in names))
    lines = [over]
    for elements, charts in (
        (seen.elements, [one.many for one in both]),
        (FEW, [one.few for one in both]),
    ):
        lines += [Text(f"all-reduce of {elements:,} elements, {_bytes(elements * _ELEMENT)}", style="bold")]
        lines += _chart(charts)
    lines.append(heading("G gather and broadcast  R ring  D doubling  H halving and doubling  │ at least"))
    lines.append(heading("logarithmic scale; signs that would meet stand side by side, the quicker first"))
    lines.append(Text(f"one step: {seen.elements:,} gradients on a ring, backward pass {told(BACKWARD)}", style="bold"))
    lines.append(over)
    lines.append(heading("ranks" + f"{f'{TENSORS} calls':>11}{'one call':>10}{'least':>9}{'hidden':>7}" * 2))
    for n_ranks in RANKS:
        line = Text(f"{n_ranks:>5}")
        for one in both:
            calls, flat, least, share = one.steps[n_ranks]
            line.append(f"{told(calls):>11}", style="red" if calls > 2 * flat else "")
            line.append(f"{told(flat):>10}{told(least):>9}{share:>7.0%}")
        lines.append(line)
    return Drawing.of(lines)


def _chart(charts: Sequence[Mapping[int, AllReduce]]) -> list[Text]:
    """A row for each number of ranks, and above it the scale, which all of `charts` share."""
    shown = [one for chart in charts for one in chart.values()]
    lowest = math.log10(min(one.least for one in shown))
    highest = math.log10(max(max(one.seconds.values()) for one in shown))

    def place(seconds: float) -> int:
        # Room at the right end for the other signs, if all are at one place.
        return round((math.log10(seconds) - lowest) / max(1e-9, highest - lowest) * (_PANEL - 5))

    scale = ""
    for power in range(math.ceil(lowest), math.floor(highest) + 1):
        label = told(10.0**power)
        if place(10.0**power) >= len(scale) and place(10.0**power) + len(label) <= _PANEL:
            scale = f"{scale:<{place(10.0**power)}}{label} "
    lines = [heading("ranks  " + "  ".join([f"{scale:<{_PANEL}}"] * len(charts)))]
    for n_ranks in RANKS:
        line = Text(f"{n_ranks:>5}")
        for chart in charts:
            row = ""
            for sign, seconds in [("│", chart[n_ranks].least), *_quickest_first(chart[n_ranks])]:
                row = f"{row:<{place(seconds)}}{sign}"
            line.append("  ")
            for sign in f"{row:<{_PANEL}}":
                line.append(sign, style={"│": "bold", "R": "green", "G": "red"}.get(sign, "cyan"))
        lines.append(line)
    return lines


def _quickest_first(one: AllReduce) -> list[tuple[str, float]]:
    return sorted(one.seconds.items(), key=lambda item: item[1])


def told(seconds: float) -> str:
    """A time with two digits or more, in the unit that suits it."""
    unit, size = next(((unit, size) for unit, size in _UNITS if seconds >= 0.9995 * size), _UNITS[-1])
    value = seconds / size
    return f"{value:.1f} {unit}" if value < 9.95 and value != round(value) else f"{value:,.0f} {unit}"


def _rate(beta: float) -> str:
    return f"{1e-9 / beta:.1f} GB/s" if beta > 0 else "bytes take no time"


def _bytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size:,} bytes"


DEMO = Demo(
    name="thousand-ranks",
    exercise="all_reduce",
    text=__doc__,
    after=AFTER,
    size=Size("elements in the larger tensor", default=25_557_032, least=1000, most=10**11),
    measure=measure,
    draw=draw,
)
