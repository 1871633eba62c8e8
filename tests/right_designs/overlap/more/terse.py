"""Design: as short as it gets: at most about eight runs of parameters, hooks, async all-reduce in order, presence marks at the end of each message."""

import contextlib, torch, torch.distributed as dist


class Overlapped(torch.nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module, self.on, self.runs = module, True, []
        ps = [p for p in module.parameters() if p.requires_grad][::-1]
        for kind in dict.fromkeys((p.dtype, p.device) for p in ps):
            qs, run = [p for p in ps if (p.dtype, p.device) == kind], []
            for p in qs:
                run.append(p)
                if p is qs[-1] or 8 * sum(q.numel() for q in run) >= sum(q.numel() for q in qs):
                    self.runs, run = self.runs + [run], []
        self.clear()
        for r, run in enumerate(self.runs):
            for p in run:
                p.register_post_accumulate_grad_hook(lambda p, r=r: self.hook(p, r))

    def clear(self):
        self.todo, self.sent, self.due, self.late = [set(map(id, run)) for run in self.runs], [], False, False

    def hook(self, p, r):
        self.late |= r < len(self.sent)
        self.due = self.on or bool(self.sent)
        if self.on:
            self.todo[r].discard(id(p))
            while len(self.sent) < len(self.runs) and not self.todo[len(self.sent)]:
                self.sent.append(self.send(self.runs[len(self.sent)]))

    @torch.no_grad()
    def send(self, run):
        flat = torch.cat(
            [(torch.zeros_like(p) if p.grad is None else p.grad).reshape(-1) for p in run]
            + [run[0].new_tensor([p.grad is not None for p in run])]
        )
        return flat, dist.all_reduce(flat, async_op=True)

    def forward(self, *args, **kwargs):
        self.due |= self.on and torch.is_grad_enabled()
        return self.module(*args, **kwargs)

    def finish(self):
        if not self.due:
            return
        self.sent += [self.send(run) for run in self.runs[len(self.sent) :]]
        if self.late:
            [work.wait() for _, work in self.sent]
            self.sent = [self.send(run) for run in self.runs]
        for run, (flat, work) in zip(self.runs, self.sent):
            work.wait()
            *grads, there = flat.div_(dist.get_world_size()).split([p.numel() for p in run] + [len(run)])
            for p, g, t in zip(run, grads, there.tolist()):
                if t:
                    p.grad = g.view(p.shape)
        self.clear()

    @contextlib.contextmanager
    def no_sync(self):
        old, self.on = self.on, False
        try:
            yield
        finally:
            self.on = old
