"""Design: the classic from before torch 2.1: hooks on the AccumulateGrad nodes; afterwards p.grad become views of the reduced buffer."""

import contextlib

import torch
import torch.distributed as dist


class Overlapped(torch.nn.Module):
    BUCKETS = 10

    def __init__(self, module):
        super().__init__()
        self.module = module
        params = [p for p in module.parameters() if p.requires_grad]
        self.world_size = dist.get_world_size()
        self.synchronise = True
        self.groups = self._cut(params)
        self.group_of = {id(p): g for g, group in enumerate(self.groups) for p in group}
        self.nodes = []  # must be kept alive, or the hooks are lost
        for p in params:
            with torch.enable_grad():
                node = p.expand_as(p).grad_fn.next_functions[0][0]
            node.register_hook(self._make_hook(p))
            self.nodes.append(node)
        self._start_over()

    def _cut(self, params):
        groups = []
        seen_kinds = []
        for p in params:
            if (p.device, p.dtype) not in seen_kinds:
                seen_kinds.append((p.device, p.dtype))
        for kind in seen_kinds:
            todo = [p for p in params[::-1] if (p.device, p.dtype) == kind]
            goal = max(1, sum(p.numel() for p in todo) // self.BUCKETS)
            size = goal
            for p in todo:
                if size >= goal:
                    groups.append([])
                    size = 0
                groups[-1].append(p)
                size += p.numel()
        return groups

    def _start_over(self):
        self.left = [len(g) for g in self.groups]
        self.arrived = set()
        self.sent = []  # (flat, work), in the order of self.groups
        self.due = False
        self.stale = False

    def _make_hook(self, p):
        def hook(*_):
            g = self.group_of[id(p)]
            if g < len(self.sent):
                self.stale = True
            if not self.synchronise:
                if not self.sent:
                    self.due = False
                return
            self.due = True
            if id(p) not in self.arrived:
                self.arrived.add(id(p))
                self.left[g] -= 1
            while len(self.sent) < len(self.groups) and self.left[len(self.sent)] == 0:
                self._send(len(self.sent))

        return hook

    def _send(self, g):
        group = self.groups[g]
        size = sum(p.numel() for p in group)
        flat = torch.zeros(size + len(group), dtype=group[0].dtype, device=group[0].device)
        at = 0
        with torch.no_grad():
            for i, p in enumerate(group):
                if p.grad is not None:
                    flat[at : at + p.numel()].view(p.shape).copy_(p.grad)
                    flat[size + i] = 1
                at += p.numel()
            flat[:size] /= self.world_size
        entry = (flat, dist.all_reduce(flat, async_op=True))
        if g < len(self.sent):
            self.sent[g] = entry
        else:
            self.sent.append(entry)

    def forward(self, *inputs, **kwargs):
        if torch.is_grad_enabled() and self.synchronise:
            self.due = True
        return self.module(*inputs, **kwargs)

    def finish(self):
        if not self.due:
            return
        for g in range(len(self.sent), len(self.groups)):
            self._send(g)
        if self.stale:
            for _, work in self.sent:
                work.wait()
            for g in range(len(self.groups)):
                self._send(g)
        for group, (flat, work) in zip(self.groups, self.sent):
            work.wait()
            size = flat.numel() - len(group)
            at = 0
            for p, has in zip(group, flat[size:].tolist()):
                if has:
                    p.grad = flat[at : at + p.numel()].view(p.shape)
                at += p.numel()
        self._start_over()

    @contextlib.contextmanager
    def no_sync(self):
        old = self.synchronise
        self.synchronise = False
        try:
            yield self
        finally:
            self.synchronise = old
