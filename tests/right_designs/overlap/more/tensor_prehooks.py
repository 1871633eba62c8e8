"""Design: ordinary tensor hooks (before accumulation); every parameter writes `incoming + what it already has` into its slot of the bucket."""

import torch
import torch.distributed as dist


class _NoSync:
    """A context manager as a class; nests and survives exceptions."""

    def __init__(self, owner):
        self.owner = owner
        self.saved = []

    def __enter__(self):
        self.saved.append(self.owner.quiet)
        self.owner.quiet = True

    def __exit__(self, *exc_info):
        self.owner.quiet = self.saved.pop()
        return False


class _Slots:
    def __init__(self, params):
        self.params = params
        self.sizes = [p.numel() for p in params]
        self.clear()

    def clear(self):
        self.values = [None] * len(self.params)  # what will be sent, once it is known
        self.wire = None
        self.work = None

    def complete(self):
        return all(v is not None for v in self.values)

    def send(self, fresh=False):
        p0 = self.params[0]
        values = [None] * len(self.params) if fresh else self.values
        # no hook came for it: what an earlier backward (under no_sync) left counts all the same
        values = [p.grad if v is None else v for v, p in zip(values, self.params)]
        has = torch.tensor([v is not None for v in values], device=p0.device).to(p0.dtype)
        body = [
            torch.zeros(n, dtype=p0.dtype, device=p0.device) if v is None else v.detach().reshape(-1)
            for v, n in zip(values, self.sizes)
        ]
        self.wire = torch.cat(body + [has])
        self.work = dist.all_reduce(self.wire, op=dist.ReduceOp.SUM, async_op=True)

    def receive(self):
        self.work.wait()
        *pieces, has = self.wire.split(self.sizes + [len(self.params)])
        for p, piece, h in zip(self.params, pieces, has.tolist()):
            if h:
                p.grad = (piece / dist.get_world_size()).view(p.shape)


class Overlapped(torch.nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module
        self.quiet = False
        self.outstanding = False
        self.repeat = False
        self.launched = 0
        self.slots = []
        params = [p for p in module.parameters() if p.requires_grad]
        for kind in {(str(p.dtype), str(p.device)): None for p in params}:
            mine = [p for p in params if (str(p.dtype), str(p.device)) == kind]
            mine.reverse()
            limit = sum(p.numel() for p in mine) / 8
            start = 0
            for stop in range(1, len(mine) + 1):
                if stop == len(mine) or sum(p.numel() for p in mine[start:stop]) >= limit:
                    self.slots.append(_Slots(mine[start:stop]))
                    start = stop
        for s in self.slots:
            for i, p in enumerate(s.params):
                p.register_hook(lambda grad, s=s, i=i: self._arrived(s, i, grad))

    def _arrived(self, slots, i, grad):
        if slots.work is not None:
            self.repeat = True
        if self.quiet:
            if not self.launched:
                self.outstanding = False
                slots.values[i] = None  # p.grad will hold it all when it is asked for
            else:
                self.repeat = True
            return None
        self.outstanding = True
        p = slots.params[i]
        with torch.no_grad():
            slots.values[i] = grad.detach() if p.grad is None else p.grad + grad
        while self.launched < len(self.slots) and self.slots[self.launched].complete():
            self.slots[self.launched].send()
            self.launched += 1
        return None

    def forward(self, *args, **kwargs):
        if torch.is_grad_enabled() and not self.quiet:
            self.outstanding = True
        return self.module(*args, **kwargs)

    def finish(self):
        if not self.outstanding:
            return
        with torch.no_grad():
            for s in self.slots[self.launched :]:
                s.send(fresh=True)  # backward is over: p.grad has everything
            if self.repeat:
                for s in self.slots:
                    s.work.wait()
                for s in self.slots:
                    s.send(fresh=True)
            for s in self.slots:
                s.receive()
                s.clear()
        self.launched = 0
        self.outstanding = self.repeat = False

    def no_sync(self):
        return _NoSync(self)
