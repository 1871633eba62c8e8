"""Design: the averaging hangs on the optimizer as a temporary step-pre-hook, so that step() itself communicates just before it updates."""

import contextlib
import logging

import torch
import torch.distributed as dist

log = logging.getLogger("ddp")


def broadcast_parameters(model):
    with torch.no_grad():
        for name, tensor in list(model.named_parameters()) + list(model.named_buffers()):
            if tensor.numel() == 0:
                continue
            log.debug("broadcast %s", name)
            copy = tensor.detach().contiguous().clone()
            dist.broadcast(copy.view(-1).view(torch.uint8), src=0)
            tensor.copy_(copy)


def shard(n_items, rank, world_size, seed, epoch):
    generator = torch.Generator()
    generator.manual_seed(seed + epoch)
    permutation = torch.randperm(n_items, generator=generator)
    return permutation[torch.arange(rank, n_items, world_size)].tolist() if rank < n_items else []


@contextlib.contextmanager
def synchronised(optimizer, params, weight, device):
    def before_step(_optimizer, _args, _kwargs):
        have = torch.tensor([p.grad is not None for p in params], dtype=torch.uint8, device=device)
        dist.all_reduce(have, op=dist.ReduceOp.MAX)
        used = [p for p, h in zip(params, have.tolist()) if h]
        log.debug("%d of %d parameters have a gradient", len(used), len(params))
        kinds = {}
        for p in used:
            kinds.setdefault((str(p.device), str(p.dtype)), []).append(p)
        for members in kinds.values():
            flat = torch.cat(
                [(p.new_zeros(p.shape) if p.grad is None else p.grad).detach().reshape(-1) for p in members]
            )
            flat *= weight
            dist.all_reduce(flat)
            for p, piece in zip(members, torch.split(flat, [p.numel() for p in members])):
                p.grad = piece.view(p.shape)

    handle = optimizer.register_step_pre_hook(before_step) if params else None
    try:
        yield
    finally:
        if handle is not None:
            handle.remove()


def train_step(model, optimizer, loss_fn, inputs, targets):
    optimizer.zero_grad(set_to_none=True)
    model.zero_grad(set_to_none=True)
    loss = loss_fn(model(inputs), targets)
    if loss.requires_grad:
        loss.backward()
    n = len(inputs)
    stats = torch.tensor([loss.item() * n, n], dtype=torch.double, device=loss.device)
    dist.all_reduce(stats, op=dist.ReduceOp.SUM)
    loss_sum, total = stats.tolist()
    params = [p for p in model.parameters() if p.requires_grad]
    with synchronised(optimizer, params, n / total, loss.device):
        optimizer.step()
    return loss_sum / total
