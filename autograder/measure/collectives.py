"""What an all-reduce costs on many ranks: counted messages and elements, and the time that they take on a network.

Nothing is sent. An algorithm is a list of rounds, each of which says who sends how much to whom; from it follow the exact
counts of every rank, and the time on a `Hockney` network. As in Thakur, Rabenseifner and Gropp (Optimization of collective
communication operations in MPICH, 2005), a rank sends one message and receives one at the same time, all pairs of ranks are
equally far from each other and do not disturb each other. The additions are taken to cost nothing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from autograder.measure.hockney import Hockney

Numbers: TypeAlias = npt.NDArray[np.int64]


class Round(NamedTuple):
    """Messages at the same time. No rank is in `senders` twice, and none in `receivers`."""

    senders: Numbers
    receivers: Numbers
    #: In each message.
    elements: Numbers


#: Gives the rounds, in order, for a tensor of so many elements on so many ranks.
Algorithm: TypeAlias = Callable[[int, int], Iterator[Round]]


def ring(length: int, n_ranks: int) -> Iterator[Round]:
    """Each chunk goes round the ring and is added to, and goes round once more (Patarasuk and Yuan 2009).

    In 2 (p - 1) rounds rank r sends every chunk twice, but r + 1 and r + 2 once: 2 (p - 1) / p of the elements. The
    chunks are those of ``torch.tensor_split``, so sizes differ by one at most.
    """
    ranks, sizes = np.arange(n_ranks), _chunks(length, n_ranks)
    for first in (0, 1):
        for step in range(n_ranks - 1):
            yield Round(ranks, (ranks + 1) % n_ranks, sizes[(ranks + first - step) % n_ranks])


def gather_and_broadcast(length: int, n_ranks: int) -> Iterator[Round]:
    """Rank 0 receives every other rank's tensor, and sends the sum to each: 2 (p - 1) whole tensors, one after another."""
    zero, whole = np.array([0]), np.array([length])
    for rank in range(1, n_ranks):
        yield Round(np.array([rank]), zero, whole)
    for rank in range(1, n_ranks):
        yield Round(zero, np.array([rank]), whole)


def recursive_doubling(length: int, n_ranks: int) -> Iterator[Round]:
    """Pairs swap whole tensors, at distances 1, 2, 4, ...: log2 p rounds. The number of ranks is a power of two."""
    ranks = np.arange(n_ranks)
    for distance in _distances(n_ranks):
        yield Round(ranks, ranks ^ distance, np.full(n_ranks, length))


def halving_and_doubling(length: int, n_ranks: int) -> Iterator[Round]:
    """Pairs swap halves of what they have, then quarters, and so on, and the same way back (Rabenseifner 2004).

    2 log2 p rounds, 2 (p - 1) / p of the elements. The number of ranks is a power of two.
    """
    ranks = np.arange(n_ranks)
    before = np.concatenate([[0], np.cumsum(_chunks(length, n_ranks))])
    for distance in reversed(_distances(n_ranks)):
        partners = ranks ^ distance
        theirs = partners - partners % distance
        yield Round(ranks, partners, before[theirs + distance] - before[theirs])
    for distance in _distances(n_ranks):
        own = ranks - ranks % distance
        yield Round(ranks, ranks ^ distance, before[own + distance] - before[own])


def _chunks(length: int, n_ranks: int) -> Numbers:
    """Elements of each chunk, the larger ones first."""
    return length // n_ranks + (np.arange(n_ranks) < length % n_ranks)


def _distances(n_ranks: int) -> list[int]:
    if n_ranks & (n_ranks - 1):
        raise ValueError(f"{n_ranks} ranks: this algorithm is for powers of two")
    return [1 << bit for bit in range(n_ranks.bit_length() - 1)]


@dataclass(frozen=True)
class Sent:
    """What each rank sends in all rounds."""

    messages: Numbers
    elements: Numbers


def sent(algorithm: Algorithm, length: int, n_ranks: int) -> Sent:
    """Counts of every rank."""
    messages, elements = np.zeros(n_ranks, np.int64), np.zeros(n_ranks, np.int64)
    for senders, _, sizes in algorithm(length, n_ranks):
        messages[senders] += 1
        elements[senders] += sizes
    return Sent(messages, elements)


def simulate(algorithm: Algorithm, length: int, n_ranks: int, network: Hockney, element_size: int = 4) -> float:
    """Seconds until the last rank is ready, all having begun at the same moment, with elements of so many bytes.

    A message begins when both of its ranks have ended what they did in earlier rounds.
    """
    clocks = np.zeros(n_ranks)
    for senders, receivers, elements in algorithm(length, n_ranks):
        starts = np.maximum(clocks[senders], clocks[receivers])
        ends = starts + (network.alpha + network.beta * element_size * elements)
        clocks[senders] = ends
        clocks[receivers] = np.maximum(clocks[receivers], ends)
    return float(clocks.max())


def least_seconds(length: int, n_ranks: int, network: Hockney, element_size: int = 4) -> float:
    """What no all-reduce can do without.

    To hear of all others takes a rank ceil(log2 p) messages one after another; and 2 (p - 1) elements have to be sent for
    each element of the tensor, so that some rank sends 2 (p - 1) / p of its length (Chan, Heimlich, Purkayastha and
    van de Geijn 2007, Patarasuk and Yuan 2009). The larger of the two; both at once is more than has been proved.
    """
    rounds = (n_ranks - 1).bit_length()
    return max(rounds * network.alpha, 2 * (n_ranks - 1) / n_ranks * length * element_size * network.beta)
