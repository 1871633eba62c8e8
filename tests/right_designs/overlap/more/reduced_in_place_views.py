"""Design: in the hook a gradient moves into its bucket and p.grad becomes a view of it, the all-reduce works in place; nothing is copied back."""

import contextlib
import weakref

import torch
import torch.distributed as dist


class _Bucket:
    __slots__ = ("params", "buffer", "views", "got", "work")

    def __init__(self, params):
        self.params = params
        self.clear()

    def clear(self):
        self.buffer = self.views = self.work = None
        self.got = [False] * len(self.params)

    def take(self, i):
        """Move the gradient of parameter i into the buffer (which is new in every step, so old p.grad stay what they were)."""
        if self.buffer is None:
            n = sum(p.numel() for p in self.params)
            self.buffer = torch.zeros(n + len(self.params), dtype=self.params[0].dtype, device=self.params[0].device)
            self.views = [
                v.view(p.shape)
                for p, v in zip(self.params, self.buffer.split([p.numel() for p in self.params] + [len(self.params)]))
            ]
        p = self.params[i]
        self.got[i] = True
        if p.grad is not None and p.grad is not self.views[i]:
            self.views[i].copy_(p.grad)
            p.grad = self.views[i]

    def launch(self):
        for i in range(len(self.params)):
            self.take(i)
        n = len(self.params)
        self.buffer[-n:] = torch.tensor([p.grad is not None for p in self.params]).to(self.buffer)
        self.buffer[:-n].div_(dist.get_world_size())
        self.work = dist.all_reduce(self.buffer, async_op=True)

    def settle(self):
        self.work.wait()
        for p, view, mark in zip(self.params, self.views, self.buffer[-len(self.params) :].tolist()):
            if mark:
                p.grad = view
        self.clear()


class Overlapped(torch.nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module
        self._communicate = True
        self._expected = False
        self._next = 0
        self._buckets = []
        params = [p for p in module.parameters() if p.requires_grad]
        sizes = {}
        for p in params:
            sizes[(p.dtype, p.device)] = sizes.get((p.dtype, p.device), 0) + p.numel()
        for kind, size in sizes.items():
            batch, filled = [], 0
            for p in filter(lambda p: (p.dtype, p.device) == kind, reversed(params)):
                batch.append(p)
                filled += p.numel()
                if filled >= size / 8:
                    self._buckets.append(_Bucket(batch))
                    batch, filled = [], 0
            if batch:
                self._buckets.append(_Bucket(batch))
        me = weakref.ref(self)  # a dropped wrapper leaves dead hooks, not live ones

        def before(bucket):
            def hook(grad):
                wrapper = me()
                if wrapper is not None and bucket.work is not None:
                    wrapper.finish()  # do not add to a buffer that is on the wire

            return hook

        def after(bucket, i):
            def hook(p):
                wrapper = me()
                if wrapper is not None:
                    wrapper._gradient(bucket, i)

            return hook

        for bucket in self._buckets:
            for i, p in enumerate(bucket.params):
                p.register_hook(before(bucket))
                p.register_post_accumulate_grad_hook(after(bucket, i))

    def _gradient(self, bucket, i):
        if not self._communicate:
            if not self._next:
                self._expected = False
            return
        self._expected = True
        with torch.no_grad():
            bucket.take(i)
            while self._next < len(self._buckets) and all(self._buckets[self._next].got):
                self._buckets[self._next].launch()
                self._next += 1

    def forward(self, *args, **kwargs):
        if torch.is_grad_enabled():
            if self._next:
                self.finish()  # an earlier backward that nobody has finished
            if self._communicate:
                self._expected = True
        return self.module(*args, **kwargs)

    def finish(self):
        if not self._expected:
            return
        with torch.no_grad():
            for bucket in self._buckets[self._next :]:
                bucket.launch()
            for bucket in self._buckets:
                bucket.settle()
        self._next = 0
        self._expected = False

    @contextlib.contextmanager
    def no_sync(self):
        before = self._communicate
        self._communicate = False
        try:
            yield
        finally:
            self._communicate = before
