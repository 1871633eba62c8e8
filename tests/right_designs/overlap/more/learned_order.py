"""Design: the first synchronised step also records the order in which gradients arrive; buckets are then rebuilt by rank 0's order, as DDP does."""

import contextlib

import torch
import torch.distributed as dist


class Overlapped(torch.nn.Module):
    def __init__(self, module, n_buckets=8):
        super().__init__()
        self.module = module
        self.n_buckets = n_buckets
        self._params = [p for p in module.parameters() if p.requires_grad]
        self._number = {p: i for i, p in enumerate(self._params)}
        self._learned = False
        self._sync = True
        self._build(list(range(len(self._params)))[::-1])  # until something better is known
        for p in self._params:
            p.register_post_accumulate_grad_hook(self._grad_ready)

    # ---- layout
    def _build(self, order):
        self._buckets = []
        size = dict()
        for p in self._params:
            size[p.dtype, p.device] = size.get((p.dtype, p.device), 0) + p.numel()
        current, kind, filled = [], None, 0
        for i in order:
            p = self._params[i]
            k = (p.dtype, p.device)
            if current and (k != kind or filled * self.n_buckets >= size[kind]):
                self._buckets.append(current)
                current, filled = [], 0
            kind = k
            current.append(p)
            filled += p.numel()
        if current:
            self._buckets.append(current)
        self._home = {p: b for b, bucket in enumerate(self._buckets) for p in bucket}
        self._restart()

    def _restart(self):
        self._waiting = [len(b) for b in self._buckets]
        self._fired = {}  # a dict keeps the order of arrival
        self._sent = []
        self._active = False
        self._redo = False

    # ---- during backward
    def _grad_ready(self, p):
        b = self._home[p]
        if b < len(self._sent):
            self._redo = True
        if not self._sync:
            if not self._sent:
                self._active = False
            return
        self._active = True
        if p not in self._fired:
            self._fired[p] = True
            self._waiting[b] -= 1
        self._send_ready()

    def _send_ready(self):
        while len(self._sent) < len(self._buckets) and self._waiting[len(self._sent)] == 0:
            self._send()

    @torch.no_grad()
    def _send(self, b=None):
        bucket = self._buckets[len(self._sent) if b is None else b]
        parts = []
        for p in bucket:
            parts.append(p.grad.reshape(-1) if p.grad is not None else torch.zeros_like(p).reshape(-1))
        parts.append(torch.tensor([p.grad is not None for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device))
        flat = torch.cat(parts)
        entry = flat, dist.all_reduce(flat, async_op=True)
        if b is None:
            self._sent.append(entry)
        else:
            self._sent[b] = entry

    def forward(self, *args, **kwargs):
        if self._sync and torch.is_grad_enabled():
            self._active = True
        return self.module(*args, **kwargs)

    # ---- after backward
    @torch.no_grad()
    def finish(self):
        if not self._active or not self._buckets:
            return
        while len(self._sent) < len(self._buckets):
            self._send()
        if self._redo:
            for _, work in self._sent:
                work.wait()
            for b in range(len(self._buckets)):
                self._send(b)
        for bucket, (flat, work) in zip(self._buckets, self._sent):
            work.wait()
            offset = 0
            marks = flat[-len(bucket) :].tolist()
            for p, mark in zip(bucket, marks):
                piece = flat[offset : offset + p.numel()].reshape(p.shape)
                offset += p.numel()
                if mark:
                    p.grad = piece / dist.get_world_size()
        if self._learned:
            self._restart()
        else:
            self._learn()

    def _learn(self):
        order = [self._number[p] for p in self._fired]
        order += [i for i in range(len(self._params))[::-1] if self._params[i] not in self._fired]
        message = torch.tensor(order, dtype=torch.int64, device=self._params[0].device)
        dist.broadcast(message, src=0)
        self._learned = True
        self._build(message.tolist())

    @contextlib.contextmanager
    def no_sync(self):
        saved = self._sync
        self._sync = False
        try:
            yield
        finally:
            self._sync = saved
