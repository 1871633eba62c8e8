"""Design: as few lines as the contract allows: mask, header and flat gradients, three collectives."""

import torch, torch.distributed as dist


def broadcast_parameters(model):
    for t in [*model.parameters(), *model.buffers()]:
        if t.numel():
            flat = t.data.clone().contiguous().view(-1)
            dist.broadcast(flat.view(torch.uint8), 0)
            t.data.copy_(flat.view(t.shape))


def shard(n_items, rank, world_size, seed, epoch):
    return torch.randperm(n_items, generator=torch.Generator().manual_seed(seed + epoch)).tolist()[rank::world_size]


def train_step(model, optimizer, loss_fn, inputs, targets):
    model.zero_grad(), optimizer.zero_grad()
    loss, n = loss_fn(model(inputs), targets), len(inputs)
    loss.requires_grad and loss.backward()
    ps = [p for p in model.parameters() if p.requires_grad]
    mask = torch.tensor([p.grad is not None for p in ps] + [True], dtype=torch.uint8, device=loss.device)
    head = torch.tensor([n, n * loss.item()], dtype=torch.float64, device=loss.device)
    dist.all_reduce(mask, dist.ReduceOp.MAX), dist.all_reduce(head)
    total, loss_sum = head.tolist()
    ps = [p for p, m in zip(ps, mask.tolist()) if m]
    for kind in dict.fromkeys(p.dtype for p in ps):
        qs = [p for p in ps if p.dtype == kind]
        flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).reshape(-1) for p in qs]) * (n / total)
        dist.all_reduce(flat)
        for p, g in zip(qs, flat.split([p.numel() for p in qs])):
            p.grad = g.view(p.shape)
    optimizer.step()
    return loss_sum / total
