"""Design: bucket dataclasses in reverse registration order, post-accumulate hooks count down, launches in fixed order, copy back in finish()."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Iterator

import torch
import torch.distributed as dist
from torch import nn


@dataclass(slots=True, eq=False)
class Bucket:
    params: list[nn.Parameter]
    missing: set[int] = field(default_factory=set)
    flat: torch.Tensor | None = None
    work: Any = None

    def reset(self) -> None:
        self.missing = set(range(len(self.params)))
        self.flat = self.work = None

    def launch(self) -> None:
        first = self.params[0]
        pieces = [
            torch.zeros_like(p).reshape(-1) if p.grad is None else p.grad.detach().reshape(-1) for p in self.params
        ]
        marks = torch.tensor([float(p.grad is not None) for p in self.params], dtype=first.dtype, device=first.device)
        self.flat = torch.cat([*pieces, marks])
        self.work = dist.all_reduce(self.flat, async_op=True)

    def unload(self, world: int) -> None:
        self.work.wait()
        n = len(self.params)
        marks = self.flat[-n:].tolist()
        mean = self.flat[:-n] / world
        for p, mark, piece in zip(self.params, marks, mean.split([p.numel() for p in self.params])):
            if not mark:  # nobody has a gradient for it
                continue
            if p.grad is None:
                p.grad = piece.reshape(p.shape).clone()
            else:
                p.grad.copy_(piece.reshape(p.shape))


def make_buckets(params: list[nn.Parameter], pieces: int) -> list[Bucket]:
    buckets: list[Bucket] = []
    kinds = dict.fromkeys((p.dtype, p.device) for p in params)
    for kind in kinds:
        mine = [p for p in reversed(params) if (p.dtype, p.device) == kind]
        cap = sum(p.numel() for p in mine) / pieces
        current: list[nn.Parameter] = []
        for p in mine:
            current.append(p)
            if sum(q.numel() for q in current) >= cap:
                buckets.append(Bucket(current))
                current = []
        if current:
            buckets.append(Bucket(current))
    return buckets


class Overlapped(nn.Module):
    def __init__(self, module: nn.Module, pieces: int = 8) -> None:
        super().__init__()
        self.module = module
        self._buckets = make_buckets([p for p in module.parameters() if p.requires_grad], pieces)
        self._sync = True
        self._reset()
        for bucket in self._buckets:
            for i, p in enumerate(bucket.params):
                p.register_post_accumulate_grad_hook(self._hook(bucket, i))

    def _reset(self) -> None:
        self._next = 0
        self._expecting = False
        self._again = False
        for bucket in self._buckets:
            bucket.reset()

    def _hook(self, bucket: Bucket, i: int):
        def hook(_: torch.Tensor) -> None:
            if bucket.work is not None:  # a further backward before finish(): what is on its way is out of date
                self._again = True
            if not self._sync:
                self._expecting = self._next > 0
                return
            self._expecting = True
            bucket.missing.discard(i)
            while self._next < len(self._buckets) and not self._buckets[self._next].missing:
                self._launch_next()

        return hook

    def _launch_next(self) -> None:
        with torch.no_grad():
            self._buckets[self._next].launch()
        self._next += 1

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        if self._sync and torch.is_grad_enabled():
            self._expecting = True  # even if this rank turns out to use no parameter at all
        return self.module(*args, **kwargs)

    @torch.no_grad()
    def finish(self) -> None:
        if not self._expecting:
            return
        while self._next < len(self._buckets):
            self._launch_next()
        if self._again:
            for bucket in self._buckets:
                bucket.work.wait()
            for bucket in self._buckets:
                bucket.launch()
        for bucket in self._buckets:
            bucket.unload(dist.get_world_size())
        self._reset()

    @contextmanager
    def no_sync(self) -> Iterator[None]:
        before, self._sync = self._sync, False
        try:
            yield
        finally:
            self._sync = before
