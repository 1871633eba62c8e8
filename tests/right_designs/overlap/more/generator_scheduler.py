"""Design: a generator is the scheduler: hooks send() it the index of a parameter, it yields between launches; finish() closes the books."""

import contextlib

import torch
from torch.distributed import ReduceOp, all_reduce, get_world_size


def partition(params, k):
    """Indices of params, last first, cut into about k runs of one dtype and one size."""
    runs = []
    for kind in dict.fromkeys((p.dtype, p.device) for p in params):
        indices = [i for i in range(len(params) - 1, -1, -1) if (params[i].dtype, params[i].device) == kind]
        whole = sum(params[i].numel() for i in indices)
        run = []
        for i in indices:
            run.append(i)
            if sum(params[j].numel() for j in run) * k >= whole:
                runs.append(tuple(run))
                run = []
        if run:
            runs.append(tuple(run))
    return runs


@torch.no_grad()
def ship(params, run):
    grads = [params[i].grad for i in run]
    data = [torch.zeros_like(params[i]).flatten() if g is None else g.detach().flatten() for i, g in zip(run, grads)]
    there = torch.tensor([g is not None for g in grads]).to(data[0])
    parcel = torch.cat(data + [there])
    return parcel, all_reduce(parcel, ReduceOp.SUM, async_op=True)


def scheduler(params, runs, parcels):
    """Receives indices of parameters with a new gradient, None for `no more will come`; fills parcels in the order of runs."""
    arrived = set()
    for run in runs:
        while not arrived.issuperset(run):
            index = yield
            if index is None:
                break
            arrived.add(index)
        else:
            parcels.append(ship(params, run))
            continue
        break
    for run in runs[len(parcels) :]:
        parcels.append(ship(params, run))
    while True:
        yield


class Overlapped(torch.nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module
        self.trainable = tuple(p for p in module.parameters() if p.requires_grad)
        self.runs = partition(self.trainable, 8)
        self.run_of = {i: r for r, run in enumerate(self.runs) for i in run}
        self.syncing = True
        self._new_round()
        for i, p in enumerate(self.trainable):
            p.register_post_accumulate_grad_hook(lambda _, i=i: self._arrived(i))

    def _new_round(self):
        self.parcels = []
        self.open = False
        self.overtaken = False
        self.plan = scheduler(self.trainable, self.runs, self.parcels)
        if self.runs:
            next(self.plan)

    def _arrived(self, i):
        if self.run_of[i] < len(self.parcels):
            self.overtaken = True
        if self.syncing:
            self.open = True
            self.plan.send(i)
        elif not self.parcels:
            self.open = False

    def forward(self, *args, **kwargs):
        self.open = self.open or (self.syncing and torch.is_grad_enabled())
        return self.module(*args, **kwargs)

    @torch.no_grad()
    def finish(self):
        if not self.open or not self.runs:
            return
        if len(self.parcels) < len(self.runs):
            self.plan.send(None)
        self.plan.close()
        if self.overtaken:
            for _, work in self.parcels:
                work.wait()
            self.parcels[:] = [ship(self.trainable, run) for run in self.runs]
        n = get_world_size()
        for run, (parcel, work) in zip(self.runs, self.parcels):
            work.wait()
            *pieces, there = parcel.split([self.trainable[i].numel() for i in run] + [len(run)])
            for i, piece, t in zip(run, pieces, there.tolist()):
                if t:
                    p = self.trainable[i]
                    p.grad = piece.div(n).reshape(p.shape)
        self._new_round()

    @contextlib.contextmanager
    def no_sync(self):
        with contextlib.ExitStack() as stack:
            stack.callback(setattr, self, "syncing", self.syncing)
            self.syncing = False
            yield
