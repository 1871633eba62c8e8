"""Design: p.grad are views of one flat buffer that backward fills in place; post-accumulate hooks note which parameters got something."""

import numpy
import torch
import torch.distributed as dist


def broadcast_parameters(model):
    with torch.no_grad():
        groups = {}
        for t in list(model.parameters()) + list(model.buffers()):
            groups.setdefault((t.device, t.dtype), []).append(t)
        for tensors in groups.values():
            flat = torch.cat([t.reshape(-1) for t in tensors])
            if flat.numel() == 0:
                continue
            dist.broadcast(flat.view(torch.uint8), src=0)
            start = 0
            for t in tensors:
                t.copy_(flat[start : start + t.numel()].view(t.shape))
                start += t.numel()


def shard(n_items, rank, world_size, seed, epoch):
    sequence = numpy.random.SeedSequence(entropy=seed % 2**64, spawn_key=(epoch,))
    order = numpy.random.Generator(numpy.random.PCG64(sequence)).permutation(n_items)
    return order[rank::world_size].tolist()


def train_step(model, optimizer, loss_fn, inputs, targets):
    optimizer.zero_grad(set_to_none=True)
    params = [p for p in model.parameters() if p.requires_grad]
    for p in model.parameters():
        p.grad = None

    flats = {}
    for p in params:
        key = (p.device, p.dtype)
        flats[key] = flats.get(key, 0) + p.numel()
    flats = {key: torch.zeros(size, device=key[0], dtype=key[1]) for key, size in flats.items()}
    offsets = dict.fromkeys(flats, 0)
    touched = [0] * len(params)
    views, handles = [], []

    def marker(index):
        def mark(_):
            touched[index] = 1

        return mark

    try:
        for i, p in enumerate(params):
            key = (p.device, p.dtype)
            view = flats[key][offsets[key] : offsets[key] + p.numel()].view(p.shape)
            offsets[key] += p.numel()
            views.append(view)
            p.grad = view
            handles.append(p.register_post_accumulate_grad_hook(marker(i)))
        loss = loss_fn(model(inputs), targets)
        if loss.requires_grad:
            loss.backward()
    finally:
        for handle in handles:
            handle.remove()

    for p, view in zip(params, views):
        if p.grad is not view:  # somebody replaced it instead of adding to it
            view.copy_(p.grad)
            p.grad = view

    n = inputs.shape[0]
    numbers = torch.tensor([float(n), n * loss.item()], dtype=torch.float64, device=loss.device)
    dist.all_reduce(numbers)
    total, loss_sum = numbers.tolist()
    if params:
        marks = torch.tensor(touched, dtype=torch.uint8, device=loss.device)
        dist.all_reduce(marks, op=dist.ReduceOp.MAX)
        touched = marks.tolist()
    for flat in flats.values():
        if flat.numel():
            flat.mul_(n / total)
            dist.all_reduce(flat)
    for p, t in zip(params, touched):
        if not t:
            p.grad = None
    optimizer.step()
    return loss_sum / total
