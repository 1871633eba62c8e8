"""Design: the total count is agreed on first, every rank backpropagates its loss times n/N, and a plain SUM of flat gradients finishes it."""

import random

import torch
import torch.distributed as dist
from torch._utils import _flatten_dense_tensors, _unflatten_dense_tensors


def broadcast_parameters(model):
    for t in [*model.parameters(), *model.buffers()]:
        if t.numel():
            # reshape(-1).view(uint8) would be a copy for a tensor that is not contiguous, hence the way back by copy_
            work = t.data.contiguous().view(-1).view(torch.uint8).clone()
            dist.broadcast(work, 0)
            t.data.copy_(work.view(t.dtype).view(t.shape))


def shard(n_items, rank, world_size, seed, epoch):
    items = list(range(n_items))
    random.Random(f"shard {seed} {epoch}").shuffle(items)
    base, extra = divmod(n_items, world_size)
    start = rank * base + min(rank, extra)
    return items[start : start + base + (1 if rank < extra else 0)]


def train_step(model, optimizer, loss_fn, inputs, targets):
    optimizer.zero_grad(set_to_none=True)
    model.zero_grad(set_to_none=True)

    outputs = model(inputs)
    loss = loss_fn(outputs, targets)

    count = torch.tensor([len(targets)], dtype=torch.int64, device=loss.device)
    dist.all_reduce(count)
    share = len(targets) / count.item()

    scaled = loss * share
    if scaled.requires_grad:
        scaled.backward()

    params = [p for p in model.parameters() if p.requires_grad]
    # what everybody must know besides the gradients: who has one, and the loss
    have = torch.tensor([p.grad is not None for p in params], dtype=torch.uint8, device=loss.device)
    if params:
        dist.all_reduce(have, op=dist.ReduceOp.MAX)
    loss_sum = torch.tensor([loss.item() * share], dtype=torch.float64, device=loss.device)
    dist.all_reduce(loss_sum)

    # parameters that nobody has a gradient for need not travel; all ranks know the same list by now
    travelling = [p for p, h in zip(params, have.tolist()) if h]
    for dtype in sorted({p.dtype for p in travelling}, key=str):
        mine = [p for p in travelling if p.dtype == dtype]
        grads = [
            torch.zeros_like(p, memory_format=torch.contiguous_format) if p.grad is None else p.grad.contiguous()
            for p in mine
        ]
        flat = _flatten_dense_tensors(grads)
        if flat.numel() == 0:
            continue
        dist.all_reduce(flat)
        for p, g in zip(mine, _unflatten_dense_tensors(flat, grads)):
            p.grad = g.view_as(p)

    optimizer.step()
    return loss_sum.item()
