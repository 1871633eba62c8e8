"""Design: gradients, presence marks, count and loss travel together in one flat buffer per dtype (normally exactly one all-reduce)."""

import torch
import torch.distributed as dist


def broadcast_parameters(model):
    with torch.no_grad():
        for tensor in list(model.parameters()) + list(model.buffers()):
            if tensor.numel() == 0:
                continue
            raw = tensor.detach().clone(memory_format=torch.contiguous_format).reshape(-1)
            dist.broadcast(raw.view(torch.uint8), src=0)  # as bytes: any dtype goes
            tensor.copy_(raw.view(tensor.shape))


def shard(n_items, rank, world_size, seed, epoch):
    g = torch.Generator()
    g.manual_seed(seed + epoch)
    order = torch.randperm(n_items, generator=g).tolist()
    return order[rank::world_size]


def train_step(model, optimizer, loss_fn, inputs, targets):
    model.zero_grad(set_to_none=True)
    optimizer.zero_grad(set_to_none=True)

    loss = loss_fn(model(inputs), targets)
    if loss.requires_grad:
        loss.backward()
    n = float(inputs.shape[0])

    by_dtype = {}
    for p in model.parameters():
        if p.requires_grad:
            by_dtype.setdefault((p.dtype, p.device), []).append(p)
    if not by_dtype:
        by_dtype[(loss.dtype, loss.device)] = []

    mean_loss = None
    for (dtype, device), params in by_dtype.items():
        head = torch.tensor([n, loss.item() * n], dtype=dtype, device=device)
        marks = torch.tensor([0.0 if p.grad is None else 1.0 for p in params], dtype=dtype, device=device)
        parts = [head, marks]
        for p in params:
            if p.grad is None:
                parts.append(torch.zeros(p.numel(), dtype=dtype, device=device))
            else:
                parts.append(
                    p.grad.detach().to_dense().reshape(-1) * n if p.grad.is_sparse else p.grad.detach().reshape(-1) * n
                )
        flat = torch.cat(parts)
        dist.all_reduce(flat, op=dist.ReduceOp.SUM)
        total = flat[0].item()
        if mean_loss is None:
            mean_loss = flat[1].item() / total
        marks = flat[2 : 2 + len(params)].tolist()
        position = 2 + len(params)
        for p, mark in zip(params, marks):
            piece = flat[position : position + p.numel()]
            position += p.numel()
            if mark > 0.5:
                p.grad = (piece / total).reshape(p.shape)

    optimizer.step()
    return mean_loss
