"""Over-engineered: a Ring dataclass with slots, a context manager that lends the flat buffer, log messages, two phase methods."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
import torch.distributed as dist

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Span:
    start: int
    stop: int

    def of(self, flat: torch.Tensor) -> torch.Tensor:
        return flat[self.start : self.stop]


@dataclass(slots=True)
class Ring:
    rank: int
    size: int
    elements_sent: int = field(default=0, init=False)

    @classmethod
    def default(cls) -> "Ring":
        return cls(dist.get_rank(), dist.get_world_size())

    @property
    def successor(self) -> int:
        return (self.rank + 1) % self.size

    @property
    def predecessor(self) -> int:
        return (self.rank - 1) % self.size

    def spans(self, length: int) -> list[Span]:
        quotient, rest = divmod(length, self.size)
        result, start = [], 0
        for index in range(self.size):
            stop = start + quotient + (index < rest)
            result.append(Span(start, stop))
            start = stop
        return result

    def rotate(self, outgoing: torch.Tensor, incoming: torch.Tensor) -> None:
        pending = [dist.irecv(incoming, self.predecessor), dist.isend(outgoing, self.successor)]
        for work in pending:
            work.wait()
        self.elements_sent += outgoing.numel()

    def reduce_scatter(self, parts: list[torch.Tensor]) -> int:
        """Leaves the whole sum in one part; returns the index of that part."""
        for step in range(self.size - 1):
            target = parts[(self.rank - step - 1) % self.size]
            incoming = torch.empty_like(target)
            self.rotate(parts[(self.rank - step) % self.size], incoming)
            target += incoming
        return (self.rank + 1) % self.size

    def all_gather(self, parts: list[torch.Tensor], owned: int) -> None:
        for step in range(self.size - 1):
            self.rotate(parts[(owned - step) % self.size], parts[(owned - step - 1) % self.size])


@contextlib.contextmanager
def flattened(tensor: torch.Tensor) -> Iterator[torch.Tensor]:
    """A contiguous flat buffer with the tensor's values, written back at the end where it is a copy."""
    plain = tensor.detach()
    if plain.is_contiguous():
        yield plain.view(-1)
    else:
        copy = plain.contiguous().view(-1)
        yield copy
        plain.copy_(copy.view(plain.shape))


def ring_all_reduce(tensor: torch.Tensor) -> None:
    ring = Ring.default()
    with flattened(tensor) as flat:
        parts = [span.of(flat) for span in ring.spans(flat.numel())]
        ring.all_gather(parts, ring.reduce_scatter(parts))
    log.debug("rank %d sent %d elements", ring.rank, ring.elements_sent)
