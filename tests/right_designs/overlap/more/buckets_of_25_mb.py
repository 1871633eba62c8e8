"""Buckets as large as DistributedDataParallel's, divided when they have come; the gradients are views of the buckets."""

from contextlib import contextmanager

import torch
import torch.distributed as dist


class Overlapped(torch.nn.Module):
    def __init__(self, module, bucket_mb=25):
        super().__init__()
        self.wrapped = module
        self._sync = True
        self._hooks = []
        groups, size = [[]], 0
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if groups[-1] and size + p.nbytes > bucket_mb * 1_000_000:
                groups.append([])
                size = 0
            groups[-1].append(p)
            size += p.nbytes
        self._groups = groups
        self._where = {p: number for number, group in enumerate(groups) for p in group}
        self._full, self._works = set(), {}
        self._counts = [0] * len(groups)
        for p in self._where:
            self._hooks.append(p.register_post_accumulate_grad_hook(self._hook))

    def _hook(self, p):
        if not self._sync:
            return
        number = self._where[p]
        self._counts[number] += 1
        if self._counts[number] == len(self._groups[number]):
            self._full.add(number)
        while len(self._works) in self._full:
            self._launch()

    def _launch(self):
        number = len(self._works)
        group = self._groups[number]
        flat = torch.zeros(sum(p.numel() for p in group))
        start = 0
        for p in group:
            if p.grad is not None:
                flat[start : start + p.numel()].copy_(p.grad.reshape(-1))
            start += p.numel()
        self._works[number] = dist.all_reduce(flat, op=dist.ReduceOp.SUM, async_op=True), flat

    def forward(self, *args, **kwargs):
        return self.wrapped(*args, **kwargs)

    def finish(self):
        while len(self._works) < len(self._groups):
            self._launch()
        for number, (work, flat) in self._works.items():
            work.wait()
            flat.div_(dist.get_world_size())
            start = 0
            for p in self._groups[number]:
                p.grad = flat[start : start + p.numel()].view(p.shape)
                start += p.numel()
        self._full, self._works = set(), {}
        self._counts = [0] * len(self._groups)

    @contextmanager
    def no_sync(self):
        before, self._sync = self._sync, False
        try:
            yield self
        finally:
            self._sync = before
