"""Design: every all-reduce's future gets a then() callback that divides; finish() waits for the futures and hands out the pieces."""

from contextlib import contextmanager
import logging

import torch
import torch.distributed as dist

logger = logging.getLogger(__name__)


class Overlapped(torch.nn.Module):
    def __init__(self, module: torch.nn.Module):
        super().__init__()
        self.module = module
        self._world = dist.get_world_size()
        self._enabled = True
        self._plan: list[list[torch.nn.Parameter]] = []
        trainable = [p for p in module.parameters() if p.requires_grad]
        for dtype, device in dict.fromkeys((p.dtype, p.device) for p in trainable):
            some = [p for p in trainable if p.dtype == dtype and p.device == device]
            target = sum(p.numel() for p in some) / 8
            bucket, filled = [], 0
            while some:
                p = some.pop()
                bucket.append(p)
                filled += p.numel()
                if filled >= target or not some:
                    self._plan.append(bucket)
                    bucket, filled = [], 0
        self._where = {p: k for k, bucket in enumerate(self._plan) for p in bucket}
        self._forget()
        for p in trainable:
            p.register_post_accumulate_grad_hook(self._on_gradient)
        logger.debug("%d parameters in %d buckets", len(trainable), len(self._plan))

    def _forget(self):
        self._pending = [set(bucket) for bucket in self._plan]
        self._futures = []
        self._owed = False
        self._dirty = False

    def _post(self, k):
        bucket = self._plan[k]
        kind = dict(dtype=bucket[0].dtype, device=bucket[0].device)
        message = torch.cat(
            [torch.zeros(p.numel(), **kind) if p.grad is None else p.grad.detach().reshape(-1) for p in bucket]
            + [torch.tensor([0.0 if p.grad is None else 1.0 for p in bucket], **kind)]
        )
        work = dist.all_reduce(message, async_op=True)
        world = self._world

        def divide(future):
            result = future.value()
            result = result[0] if isinstance(result, (list, tuple)) else result
            return result / world

        logger.debug("bucket %d on its way", k)
        return work.get_future().then(divide)

    def _on_gradient(self, p):
        k = self._where[p]
        if k < len(self._futures):
            self._dirty = True
        if not self._enabled:
            self._owed = bool(self._futures)
            return
        self._owed = True
        self._pending[k].discard(p)
        with torch.no_grad():
            while len(self._futures) < len(self._plan) and not self._pending[len(self._futures)]:
                self._futures.append(self._post(len(self._futures)))

    def forward(self, *args, **kwargs):
        if self._enabled and torch.is_grad_enabled():
            self._owed = True
        return self.module(*args, **kwargs)

    @torch.no_grad()
    def finish(self):
        if not self._owed:
            return
        while len(self._futures) < len(self._plan):
            self._futures.append(self._post(len(self._futures)))
        if self._dirty:
            torch.futures.wait_all(self._futures)
            self._futures = [self._post(k) for k in range(len(self._plan))]
        for bucket, future in zip(self._plan, self._futures):
            mean = future.wait()
            *parts, marks = mean.split([p.numel() for p in bucket] + [len(bucket)])
            for p, part, mark in zip(bucket, parts, marks.tolist()):
                if mark > 0:
                    p.grad = part.view_as(p).clone()
        self._forget()

    @contextmanager
    def no_sync(self):
        enabled = self._enabled
        self._enabled = False
        try:
            yield
        finally:
            self._enabled = enabled
