# fails: test_communication_hides_behind_backward
# mistake: a message for each parameter: what each costs for itself eats the gain
import contextlib

import torch
import torch.distributed as dist
from torch import nn

BUCKET_BYTES = 1


class Overlapped(nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module
        self.syncing = True
        self.buckets, room = [], 0
        for p in [p for p in module.parameters() if p.requires_grad][::-1]:
            size = p.numel() * p.element_size()
            if not self.buckets or size > room:
                self.buckets.append([])
                room = BUCKET_BYTES
            self.buckets[-1].append(p)
            room -= size
        for number, bucket in enumerate(self.buckets):
            for p in bucket:
                p.register_post_accumulate_grad_hook(lambda _, number=number: self.hook(number))
        self.start()

    def start(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.sent = []

    def hook(self, number):
        if not self.syncing:
            return
        self.missing[number] -= 1
        while len(self.sent) < len(self.buckets) and self.missing[len(self.sent)] <= 0:
            self.send()

    def send(self):
        bucket = self.buckets[len(self.sent)]
        flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket])
        flat /= dist.get_world_size()
        self.sent.append((dist.all_reduce(flat, async_op=True), flat))

    def forward(self, inputs):
        return self.module(inputs)

    def finish(self):
        while len(self.sent) < len(self.buckets):
            self.send()
        for bucket, (work, flat) in zip(self.buckets, self.sent):
            work.wait()
            for p, mean in zip(bucket, flat.split([p.numel() for p in bucket])):
                p.grad = mean.view_as(p)
        self.start()

    @contextlib.contextmanager
    def no_sync(self):
        self.syncing = False
        try:
            yield
        finally:
            self.syncing = True
