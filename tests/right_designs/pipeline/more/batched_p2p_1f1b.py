"""1F1B as large trainers do it: batch_isend_irecv joins 'send forward, receive backward' and 'send backward, receive forward' in one go."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Callable, Optional

import torch
import torch.distributed as dist

logger = logging.getLogger("pipeline")
DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
HEADER = 10


def exchange(*operations: Optional[dist.P2POp]) -> None:
    present = [operation for operation in operations if operation is not None]
    if present:
        for work in dist.batch_isend_irecv(present):
            work.wait()


@dataclass
class Stage:
    module: torch.nn.Module
    loss_fn: Callable
    rank: int
    world: int
    n_micro: int = 0
    saved: list = field(default_factory=list)
    loss: float = 0.0

    @property
    def first(self) -> bool:
        return self.rank == 0

    @property
    def last(self) -> bool:
        return self.rank == self.world - 1

    # messages
    def to_next(self, out) -> list:
        if self.last:
            return []
        out = out.detach().contiguous()
        words = [DTYPES.index(out.dtype), out.dim(), *out.shape]
        header = torch.tensor(words + [0] * (HEADER - len(words)))
        return [dist.P2POp(dist.isend, header, self.rank + 1), dist.P2POp(dist.isend, out, self.rank + 1)]

    def from_next(self, out) -> tuple:
        if self.last:
            return None, []
        grad = torch.empty(out.shape, dtype=out.dtype)
        return grad, [dist.P2POp(dist.irecv, grad, self.rank + 1)]

    def to_previous(self, grad) -> list:
        return [] if self.first else [dist.P2POp(dist.isend, grad, self.rank - 1)]

    def receive(self, *also: dist.P2POp):
        """The next activation; `also` goes out together with its header."""
        if self.first:
            exchange(*also)
            return None
        header = torch.empty(HEADER, dtype=torch.int64)
        exchange(*also, dist.P2POp(dist.irecv, header, self.rank - 1))
        code, dims, *shape = header.tolist()
        x = torch.empty(shape[:dims], dtype=DTYPES[code])
        exchange(dist.P2POp(dist.irecv, x, self.rank - 1))
        return x.requires_grad_()

    # work
    def forward(self, x, micro_input, micro_target, weight):
        out = self.module(micro_input if self.first else x.clone())
        if self.last:
            out = self.loss_fn(out, micro_target) * weight
            self.loss += out.item()
        self.saved.append((x, out))
        return out

    def backward(self, grad):
        x, out = self.saved.pop(0)
        if out.requires_grad:
            out.backward(grad)
        if self.first:
            return None
        return (x.grad if x.grad is not None else torch.zeros_like(x)).contiguous()

    def agree(self, proposal: int) -> None:
        number = torch.tensor([proposal])
        if not self.first:
            exchange(dist.P2POp(dist.irecv, number, self.rank - 1))
        if not self.last:
            exchange(dist.P2POp(dist.isend, number, self.rank + 1))
        self.n_micro = int(number.item())


def train_step(stage, optimizer, loss_fn, inputs, targets, n_micro):
    me = Stage(stage, loss_fn, dist.get_rank(), dist.get_world_size())
    me.agree(max(1, min(n_micro, len(inputs))) if me.first else 0)
    m = me.n_micro
    xs = inputs.tensor_split(m) if me.first else [None] * m
    ts = targets.tensor_split(m) if me.last else [None] * m
    ws = [len(t) / max(1, len(targets)) for t in ts] if me.last else [None] * m
    warmup = min(me.world - 1 - me.rank, m)
    logger.debug("rank %d: %d micro-batches, %d to warm up", me.rank, m, warmup)

    optimizer.zero_grad()
    for i in range(warmup):
        x = me.receive()
        out = me.forward(x, xs[i], ts[i], ws[i])
        exchange(*me.to_next(out))

    x = me.receive() if warmup < m else None
    for i in range(warmup, m):
        out = me.forward(x, xs[i], ts[i], ws[i])
        # the gradient that comes now belongs to the oldest micro-batch
        grad, incoming = me.from_next(me.saved[0][1])
        exchange(*me.to_next(out), *incoming)
        back = me.to_previous(me.backward(grad))
        if i + 1 < m:
            x = me.receive(*back)
        else:
            exchange(*back)

    while me.saved:
        grad, incoming = me.from_next(me.saved[0][1])
        exchange(*incoming)
        exchange(*me.to_previous(me.backward(grad)))

    optimizer.step()
    return me.loss if me.last else None
