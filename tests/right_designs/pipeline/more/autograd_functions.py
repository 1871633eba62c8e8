"""Communication as torch.autograd Functions: forward of Send sends the activation, its backward receives the gradient; Recv the other way."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

_DTYPES: tuple[torch.dtype, ...] = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


class Recv(Function):
    @staticmethod
    def forward(ctx: Any, hook: Tensor, source: int) -> Tensor:
        head = torch.empty(8, dtype=torch.int64)
        dist.recv(head, source)
        code, *shape = [v for v in head.tolist() if v >= 0]
        value = torch.empty(shape, dtype=_DTYPES[code])
        dist.recv(value, source)
        ctx.source = source
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor):
        dist.send(grad.contiguous(), ctx.source)
        return torch.zeros(()), None


class Send(Function):
    """Gives a token; token.backward() fetches the gradient of what was sent."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, hook: Tensor, target: int) -> Tensor:
        value = value.contiguous()
        head = torch.full((8,), -1, dtype=torch.int64)
        head[: value.dim() + 1] = torch.tensor([_DTYPES.index(value.dtype), *value.shape])
        dist.send(head, target)
        dist.send(value, target)
        ctx.target, ctx.shape, ctx.dtype = target, value.shape, value.dtype
        return torch.zeros(())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, _: Tensor):
        grad = torch.empty(ctx.shape, dtype=ctx.dtype)
        dist.recv(grad, ctx.target)
        return grad, None, None


def train_step(
    stage: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss_fn,
    inputs: Tensor | None,
    targets: Tensor | None,
    n_micro: int,
) -> float | None:
    rank, last = dist.get_rank(), dist.get_world_size() - 1
    hook = torch.zeros((), requires_grad=True)  # makes the graph exist even where nothing else needs a gradient

    count = torch.tensor([max(1, min(n_micro, len(inputs)))]) if rank == 0 else torch.tensor([0])
    if rank > 0:
        dist.recv(count, rank - 1)
    if rank < last:
        dist.send(count, rank + 1)
    m = int(count)

    optimizer.zero_grad()
    sources = inputs.tensor_split(m) if rank == 0 else [None] * m
    goals = targets.tensor_split(m) if rank == last else [None] * m
    ends: list[Tensor] = []
    for x, goal in zip(sources, goals):
        y = stage(x if rank == 0 else Recv.apply(hook, rank - 1))
        if rank < last:
            ends.append(Send.apply(y, hook, rank + 1))
        else:
            ends.append(loss_fn(y, goal) * (len(goal) / max(1, len(targets))))
    loss = sum(end.item() for end in ends) if rank == last else None

    for end in ends:
        end.backward()
    optimizer.step()
    return loss
