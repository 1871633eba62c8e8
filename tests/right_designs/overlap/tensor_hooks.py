"""Hooks on the parameters' gradients, which see each micro-step alone: what came before is added by hand."""

from contextlib import contextmanager

import torch
import torch.distributed as dist

_LIMIT = 512 * 1024


class Overlapped(torch.nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module
        self.quiet = False
        self.queue = []
        parameters = [p for p in module.parameters() if p.requires_grad]
        self.order = parameters[::-1]
        self.index = {p: k for k, p in enumerate(self.order)}
        self.ready = {}
        self.next = 0
        self.packet = []
        for p in self.order:
            p.register_hook(lambda gradient, p=p: self._come(p, gradient))

    def _come(self, p, gradient):
        if self.quiet:
            return
        self.ready[self.index[p]] = gradient if p.grad is None else p.grad + gradient
        while self.next in self.ready:
            self._pack()

    def _pack(self):
        p = self.order[self.next]
        gradient = self.ready.get(self.next, torch.zeros_like(p) if p.grad is None else p.grad)
        self.packet.append((p, gradient))
        self.next += 1
        if sum(g.nbytes for _, g in self.packet) >= _LIMIT or self.next == len(self.order):
            flat = torch.cat([g.detach().reshape(-1) for _, g in self.packet]) * (1.0 / dist.get_world_size())
            self.queue.append(([q for q, _ in self.packet], flat, dist.all_reduce(flat, async_op=True)))
            self.packet = []

    def forward(self, x):
        return self.module(x)

    def finish(self):
        while self.next < len(self.order):
            self._pack()
        for parameters, flat, work in self.queue:
            work.wait()
            offset = 0
            for p in parameters:
                p.grad = flat[offset : offset + p.numel()].reshape(p.shape).clone()
                offset += p.numel()
        self.queue, self.ready, self.next = [], {}, 0

    @contextmanager
    def no_sync(self):
        self.quiet = True
        try:
            yield
        finally:
            self.quiet = False
