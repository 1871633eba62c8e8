"""Design: like torch's DDP, at most four buckets per dtype, launched asynchronously and in a fixed order by hooks while backward runs."""

import torch
import torch.distributed as dist

BUCKETS = 4


def broadcast_parameters(model):
    pending = []
    for t in [*model.parameters(), *model.buffers()]:
        if t.numel():
            copy = t.detach().clone(memory_format=torch.contiguous_format)
            pending.append((t, copy, dist.broadcast(copy.view(-1).view(torch.uint8), src=0, async_op=True)))
    with torch.no_grad():
        for t, copy, work in pending:
            work.wait()
            t.copy_(copy)


def shard(n_items, rank, world_size, seed, epoch):
    g = torch.Generator()
    g.manual_seed(seed + epoch)
    return torch.randperm(n_items, generator=g)[rank::world_size].tolist()


def _buckets(params):
    """Reverse order of registration, cut into at most BUCKETS pieces of roughly one size, each of one dtype."""
    result = []
    for kind in dict.fromkeys((p.device, p.dtype) for p in params):
        mine = [p for p in reversed(params) if (p.device, p.dtype) == kind]
        cap = -(-sum(p.numel() for p in mine) // BUCKETS)
        bucket, size = [], 0
        for p in mine:
            bucket.append(p)
            size += p.numel()
            if size >= cap:
                result.append(bucket)
                bucket, size = [], 0
        if bucket:
            result.append(bucket)
    return result


class _Exchange:
    def __init__(self, params, scale):
        self.scale = scale
        self.buckets = _buckets(params)
        self.home = {p: i for i, b in enumerate(self.buckets) for p in b}
        self.missing = [set(b) for b in self.buckets]
        self.flats, self.works, self.had = [], [], []
        self.handles = []

    def __enter__(self):
        for p in self.home:
            self.handles.append(p.register_post_accumulate_grad_hook(self.ready))
        return self

    def __exit__(self, *_):
        for handle in self.handles:
            handle.remove()

    def ready(self, p):
        self.missing[self.home[p]].discard(p)
        while len(self.works) < len(self.buckets) and not self.missing[len(self.works)]:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.works)]
        self.had += [p.grad is not None for p in bucket]
        flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).detach().reshape(-1) for p in bucket])
        flat.mul_(self.scale)
        self.flats.append(flat)
        self.works.append(dist.all_reduce(flat, async_op=True))

    def complete(self, device):
        while len(self.works) < len(self.buckets):
            self.launch()
        had = torch.tensor(self.had, dtype=torch.uint8, device=device)
        if len(self.had):
            dist.all_reduce(had, op=dist.ReduceOp.MAX)
        had = iter(had.tolist())
        for bucket, flat, work in zip(self.buckets, self.flats, self.works):
            work.wait()
            for p, piece in zip(bucket, flat.split([p.numel() for p in bucket])):
                p.grad = piece.view(p.shape) if next(had) else None


def train_step(model, optimizer, loss_fn, inputs, targets):
    optimizer.zero_grad(set_to_none=True)
    model.zero_grad(set_to_none=True)
    loss = loss_fn(model(inputs), targets)
    n = len(inputs)
    head = torch.tensor([n, n * loss.item()], dtype=torch.float64, device=loss.device)
    dist.all_reduce(head)
    total, loss_sum = head.tolist()
    with _Exchange([p for p in model.parameters() if p.requires_grad], n / total) as exchange:
        if loss.requires_grad:
            loss.backward()
        exchange.complete(loss.device)
    optimizer.step()
    return loss_sum / total
