"""Design: the first hook of a backward queues an autograd-engine callback that sends incomplete buckets when backward ends; finish() mostly waits."""

import contextlib

import torch
import torch.distributed as dist
from torch.autograd import Variable


class Overlapped(torch.nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module
        self._buckets = []
        self._muted = 0
        params = [p for p in module.parameters() if p.requires_grad]
        total = {}
        for p in params:
            total[p.dtype, p.device] = total.get((p.dtype, p.device), 0) + p.numel()
        open_buckets = {}
        for p in reversed(params):
            kind = p.dtype, p.device
            if kind not in open_buckets:
                open_buckets[kind] = []
                self._buckets.append(open_buckets[kind])
            bucket = open_buckets[kind]
            bucket.append(p)
            if 8 * sum(q.numel() for q in bucket) >= total[kind]:
                del open_buckets[kind]
        self._bucket_of = {id(p): i for i, b in enumerate(self._buckets) for p in b}
        self._clean()
        for p in params:
            p.register_post_accumulate_grad_hook(self._hook)

    def _clean(self):
        self._ready = [set() for _ in self._buckets]
        self._inflight = []
        self._queued = False
        self._wanted = False
        self._resend = False

    def _hook(self, p):
        i = self._bucket_of[id(p)]
        if i < len(self._inflight):
            self._resend = True
        if self._muted:
            self._wanted = bool(self._inflight)
            return
        self._wanted = True
        if not self._queued:
            self._queued = True
            Variable._execution_engine.queue_callback(self._end_of_backward)
        self._ready[i].add(id(p))
        while (k := len(self._inflight)) < len(self._buckets) and len(self._ready[k]) == len(self._buckets[k]):
            self._inflight.append(self._send(self._buckets[k]))

    def _end_of_backward(self):
        self._queued = False
        self._flush()

    def _flush(self):
        while len(self._inflight) < len(self._buckets):
            self._inflight.append(self._send(self._buckets[len(self._inflight)]))

    @staticmethod
    @torch.no_grad()
    def _send(bucket):
        like = bucket[0]
        flat = like.new_zeros(sum(p.numel() for p in bucket) + len(bucket))
        body, marks = flat[: -len(bucket)], flat[-len(bucket) :]
        for p, place, i in zip(bucket, body.split([p.numel() for p in bucket]), range(len(bucket))):
            if p.grad is not None:
                place.copy_(p.grad.reshape(-1))
                marks[i] = 1
        return flat, dist.all_reduce(flat, async_op=True)

    def forward(self, *args, **kwargs):
        if not self._muted and torch.is_grad_enabled():
            self._wanted = True
        return self.module(*args, **kwargs)

    @torch.no_grad()
    def finish(self):
        if not self._wanted:
            return
        self._flush()
        if self._resend:
            for _, work in self._inflight:
                work.wait()
            self._inflight = [self._send(b) for b in self._buckets]
        for bucket, (flat, work) in zip(self._buckets, self._inflight):
            work.wait()
            flat.div_(dist.get_world_size())
            pieces = flat[: -len(bucket)].split([p.numel() for p in bucket])
            for p, piece, mark in zip(bucket, pieces, flat[-len(bucket) :].tolist()):
                if mark:
                    if p.grad is None:
                        p.grad = torch.empty_like(p)
                    p.grad.copy_(piece.view(p.shape))
        self._clean()

    @contextlib.contextmanager
    def no_sync(self):
        self._muted += 1
        try:
            yield
        finally:
            self._muted -= 1
