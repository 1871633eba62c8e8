"""Design: a Reducer class owns the layout (one flat buffer per device and dtype), a float64 header and a uint8 MAX mask."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable, Iterable

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn


@dataclass(slots=True)
class Group:
    """Parameters that share a device and a dtype."""

    device: torch.device
    dtype: torch.dtype
    params: list[nn.Parameter] = field(default_factory=list)

    def pack(self) -> Tensor:
        total = sum(p.numel() for p in self.params)
        flat = torch.zeros(total, device=self.device, dtype=self.dtype)
        for p, view in self.pieces(flat):
            if p.grad is not None:
                view.copy_(p.grad.to_dense() if p.grad.is_sparse else p.grad)
        return flat

    def pieces(self, flat: Tensor) -> Iterable[tuple[nn.Parameter, Tensor]]:
        offset = 0
        for p in self.params:
            yield p, flat[offset : offset + p.numel()].view(p.shape)
            offset += p.numel()


class Reducer:
    def __init__(self, params: Iterable[nn.Parameter], device: torch.device) -> None:
        self.params = [p for p in params if p.requires_grad]
        self.device = device
        self.groups: dict[tuple[torch.device, torch.dtype], Group] = {}
        for p in self.params:
            key = (p.device, p.dtype)
            self.groups.setdefault(key, Group(*key)).params.append(p)

    def header(self, count: int, loss: float) -> tuple[float, float]:
        h = torch.tensor([count, count * loss], dtype=torch.float64, device=self.device)
        dist.all_reduce(h)
        total, loss_sum = h.tolist()
        return total, loss_sum / total

    def present(self) -> set[int]:
        if not self.params:
            return set()
        mask = torch.tensor([p.grad is not None for p in self.params], dtype=torch.uint8, device=self.device)
        dist.all_reduce(mask, op=dist.ReduceOp.MAX)
        return {id(p) for p, bit in zip(self.params, mask.tolist()) if bit}

    def average(self, weight: float, present: set[int]) -> None:
        for group in self.groups.values():
            flat = group.pack()
            flat.mul_(weight)
            dist.all_reduce(flat)
            for p, view in group.pieces(flat):
                p.grad = view if id(p) in present else None


def broadcast_parameters(model: nn.Module) -> None:
    tensors = [t for t in (*model.parameters(), *model.buffers()) if t.numel()]
    by_device: dict[torch.device, list[Tensor]] = {}
    for t in tensors:
        by_device.setdefault(t.device, []).append(t)
    with torch.no_grad():
        for group in by_device.values():
            blob = torch.cat([t.detach().contiguous().reshape(-1).view(torch.uint8) for t in group])
            dist.broadcast(blob, src=0)
            offset = 0
            for t in group:
                size = t.numel() * t.element_size()
                value = torch.empty(t.shape, dtype=t.dtype, device=t.device)
                value.reshape(-1).view(torch.uint8).copy_(blob[offset : offset + size])
                t.copy_(value)
                offset += size


def shard(n_items: int, rank: int, world_size: int, seed: int, epoch: int) -> list[int]:
    rng = np.random.default_rng([abs(seed), int(seed < 0), epoch])
    return np.array_split(rng.permutation(n_items), world_size)[rank].tolist()


def train_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss_fn: Callable[[Tensor, Tensor], Tensor],
    inputs: Tensor,
    targets: Tensor,
) -> float:
    for p in model.parameters():
        p.grad = None
    optimizer.zero_grad(set_to_none=True)
    loss = loss_fn(model(inputs), targets)
    if loss.requires_grad:
        loss.backward()
    reducer = Reducer(model.parameters(), loss.device)
    count = len(inputs)
    total, mean_loss = reducer.header(count, loss.item())
    reducer.average(count / total, reducer.present())
    optimizer.step()
    return mean_loss
