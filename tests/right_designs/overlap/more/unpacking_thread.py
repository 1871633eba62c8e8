"""Design: hooks launch the asynchronous all-reduces, a helper thread waits for them and divides; finish() joins the thread and installs the result."""

import queue
import threading
from contextlib import contextmanager

import torch
import torch.distributed as dist


class _Unpacker:
    """Lives from the first launch of a step until finish()."""

    def __init__(self, world):
        self._queue = queue.SimpleQueue()
        self._world = world
        self.results = []
        self._error = None
        self._thread = threading.Thread(target=self._run, name="unpacker", daemon=True)
        self._thread.start()

    def put(self, flat, work):
        self._queue.put((flat, work))

    def _run(self):
        try:
            while (item := self._queue.get()) is not None:
                flat, work = item
                work.wait()
                self.results.append(flat.div_(self._world))
        except BaseException as error:  # handed over to the one who calls finish()
            self._error = error

    def stop(self):
        self._queue.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self.results


class Overlapped(torch.nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module
        self._world = dist.get_world_size()
        self._silent = False
        self._unpacker = None
        params = [p for p in module.parameters() if p.requires_grad]
        self._buckets = []
        for kind in dict.fromkeys((p.dtype, p.device) for p in params):
            mine = [p for p in params if (p.dtype, p.device) == kind][::-1]
            share = sum(p.numel() for p in mine) / 8
            room = 0
            for p in mine:
                if room <= 0:
                    self._buckets.append([])
                    room = share
                self._buckets[-1].append(p)
                room -= p.numel()
        self._index = {p: b for b, bucket in enumerate(self._buckets) for p in bucket}
        self._begin()
        for p in params:
            p.register_post_accumulate_grad_hook(self._hook)

    def _begin(self):
        self._open = [set(b) for b in self._buckets]
        self._launched = 0
        self._owing = False
        self._outdated = False

    @torch.no_grad()
    def _launch(self, bucket):
        if self._unpacker is None:
            self._unpacker = _Unpacker(self._world)
        flat = torch.cat(
            [(torch.zeros_like(p) if p.grad is None else p.grad).reshape(-1) for p in bucket]
            + [bucket[0].new_tensor([p.grad is not None for p in bucket])]
        )
        self._unpacker.put(flat, dist.all_reduce(flat, async_op=True))

    def _hook(self, p):
        b = self._index[p]
        if b < self._launched:
            self._outdated = True
        if self._silent:
            if not self._launched:
                self._owing = False
            return
        self._owing = True
        self._open[b].discard(p)
        while self._launched < len(self._buckets) and not self._open[self._launched]:
            self._launch(self._buckets[self._launched])
            self._launched += 1

    def _collect(self):
        unpacker, self._unpacker = self._unpacker, None
        return unpacker.stop() if unpacker else []

    def forward(self, *args, **kwargs):
        if torch.is_grad_enabled() and not self._silent:
            self._owing = True
        return self.module(*args, **kwargs)

    @torch.no_grad()
    def finish(self):
        if not self._owing:
            return
        for bucket in self._buckets[self._launched :]:
            self._launch(bucket)
        results = self._collect()
        if self._outdated:
            for bucket in self._buckets:
                self._launch(bucket)
            results = self._collect()
        for bucket, flat in zip(self._buckets, results):
            n = len(bucket)
            for p, g, there in zip(bucket, flat[:-n].split([p.numel() for p in bucket]), flat[-n:].tolist()):
                if there:
                    p.grad = g.view(p.shape)
        self._begin()

    @contextmanager
    def no_sync(self):
        was, self._silent = self._silent, True
        try:
            yield
        finally:
            self._silent = was
