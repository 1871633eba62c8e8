"""Design: over-engineered: the module tree is walked recursively, a codec generator packs and unpacks, errors keep optimizer state untouched."""

from collections import OrderedDict
from enum import Enum
from typing import Iterator, NamedTuple

import torch
import torch.distributed as dist
from torch import nn


class Kind(Enum):
    PARAMETER = "parameter"
    BUFFER = "buffer"


class Leaf(NamedTuple):
    path: str
    kind: Kind
    tensor: torch.Tensor


def _walk(module: nn.Module, prefix: str = "") -> Iterator[Leaf]:
    for name, p in module._parameters.items():
        if p is not None:
            yield Leaf(prefix + name, Kind.PARAMETER, p)
    for name, b in module._buffers.items():  # persistent or not
        if b is not None:
            yield Leaf(prefix + name, Kind.BUFFER, b)
    for name, child in module._modules.items():
        if child is not None:
            yield from _walk(child, f"{prefix}{name}.")


def _unique(leaves: Iterator[Leaf]) -> "OrderedDict[int, Leaf]":
    found: "OrderedDict[int, Leaf]" = OrderedDict()
    for leaf in leaves:
        found.setdefault(id(leaf.tensor), leaf)  # tied weights once only
    return found


def broadcast_parameters(model: nn.Module) -> None:
    for leaf in _unique(_walk(model)).values():
        if leaf.tensor.numel() == 0:
            continue
        staging = leaf.tensor.detach().reshape(-1).contiguous().clone()
        dist.broadcast(staging.view(torch.uint8), src=0)
        with torch.no_grad():
            leaf.tensor.copy_(staging.reshape(leaf.tensor.shape))


def shard(n_items: int, rank: int, world_size: int, seed: int, epoch: int) -> list[int]:
    def deal(cards: list[int], hands: int, which: int) -> list[int]:
        """Recursion over halves of the table: sizes stay within one of each other."""
        if hands == 1:
            return cards
        left = hands // 2
        base, extra = divmod(len(cards), hands)
        # the first `extra` hands get one card more
        cut = base * left + min(extra, left)
        if which < left:
            return deal(cards[:cut], left, which)
        return deal(cards[cut:], hands - left, which - left)

    generator = torch.Generator().manual_seed(seed + epoch)
    return deal(torch.randperm(n_items, generator=generator).tolist(), world_size, rank)


class Codec:
    __slots__ = ("_params", "_sizes")

    def __init__(self, params: list[torch.Tensor]) -> None:
        self._params = params
        self._sizes = [p.numel() for p in params]

    def encode(self, factor: float) -> torch.Tensor:
        def chunks():
            for p in self._params:
                if p.grad is None:
                    yield torch.zeros(p.numel(), dtype=p.dtype, device=p.device)
                else:
                    yield (p.grad.to_dense() if p.grad.is_sparse else p.grad).reshape(-1).mul(factor)

        return torch.cat(list(chunks()))

    def decode(self, flat: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for p, part in zip(self._params, torch.split(flat, self._sizes)):
            yield p, part.reshape(p.shape).clone()


def train_step(model, optimizer, loss_fn, inputs, targets) -> float:
    leaves = _unique(_walk(model)).values()
    params = [leaf.tensor for leaf in leaves if leaf.kind is Kind.PARAMETER]
    for p in params:
        p.grad = None
    optimizer.zero_grad(set_to_none=True)

    loss = loss_fn(model(inputs), targets)
    if loss.requires_grad:
        loss.backward()

    trainable = [p for p in params if p.requires_grad]
    n = targets.shape[0]
    # one float64 message: count, loss
    message = torch.tensor([n, n * loss.item()], dtype=torch.float64, device=loss.device)
    dist.all_reduce(message)
    total, weighted_loss = message.tolist()

    # one byte a parameter: how many ranks have a gradient (summed up to 255 ranks would do; MAX does for any number)
    votes = torch.tensor([0 if p.grad is None else 1 for p in trainable] or [0], dtype=torch.uint8, device=loss.device)
    dist.all_reduce(votes, op=dist.ReduceOp.MAX)
    wanted = {id(p) for p, v in zip(trainable, votes.tolist()) if v}

    tables: "OrderedDict[tuple, list]" = OrderedDict()
    for p in trainable:
        tables.setdefault((p.device, p.dtype), []).append(p)
    for members in tables.values():
        codec = Codec(members)
        flat = codec.encode(n / total)
        if flat.numel():
            dist.all_reduce(flat)
        for p, g in codec.decode(flat):
            p.grad = g if id(p) in wanted else None

    optimizer.step()
    return weighted_loss / total
