"""A thread takes full buckets from a queue and does collectives that wait, beside the backward pass."""

import queue
import threading
from contextlib import contextmanager

import torch
import torch.distributed as dist


class Overlapped(torch.nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module
        self.sync = True
        self.buckets = [[]]
        for p in [p for p in module.parameters() if p.requires_grad][::-1]:
            if sum(q.nbytes for q in self.buckets[-1]) >= 2 << 20:
                self.buckets.append([])
            self.buckets[-1].append(p)
        for k, bucket in enumerate(self.buckets):
            for p in bucket:
                p.register_post_accumulate_grad_hook(lambda _, k=k: self.arrived(k))
        self.reset()

    def reset(self):
        self.left = [len(bucket) for bucket in self.buckets]
        self.given = 0
        self.thread = None
        self.box = queue.Queue()
        self.flats = []

    def arrived(self, k):
        if self.sync:
            self.left[k] -= 1
            while self.given < len(self.buckets) and self.left[self.given] == 0:
                self.give()

    def give(self):
        if self.thread is None:
            self.thread = threading.Thread(target=self.communicate, args=(self.box,))
            self.thread.start()
        bucket = self.buckets[self.given]
        self.given += 1
        flat = torch.cat([(p.new_zeros(p.shape) if p.grad is None else p.grad).reshape(-1) for p in bucket])
        self.flats.append(flat)
        self.box.put(flat)

    @staticmethod
    def communicate(box):
        while (flat := box.get()) is not None:
            dist.all_reduce(flat)
            flat /= dist.get_world_size()

    def forward(self, x):
        return self.module(x)

    def finish(self):
        while self.given < len(self.buckets):
            self.give()
        self.box.put(None)
        self.thread.join()
        for bucket, flat in zip(self.buckets, self.flats, strict=True):
            for p, part in zip(bucket, flat.split([p.numel() for p in bucket]), strict=True):
                p.grad = part.view_as(p)
        self.reset()

    @contextmanager
    def no_sync(self):
        self.sync = False
        try:
            yield
        finally:
            self.sync = True
