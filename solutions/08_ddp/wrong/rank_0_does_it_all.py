# fails: test_bytes_per_step
# mistake: rank 0 gets all data, does the step, and the others get its parameters
import torch
import torch.distributed as dist


def broadcast_parameters(model):
    for tensor in [*model.parameters(), *model.buffers()]:
        dist.broadcast(tensor.data, src=0)


def shard(n_items, rank, world_size, seed, epoch):
    generator = torch.Generator().manual_seed(seed + epoch)
    return torch.randperm(n_items, generator=generator)[rank::world_size].tolist()


def train_step(model, optimizer, loss_fn, inputs, targets):
    rank, size = dist.get_rank(), dist.get_world_size()
    parts = [None] * size if rank == 0 else None
    dist.gather_object((inputs, targets), parts, dst=0)
    loss = torch.zeros((), dtype=next(model.parameters()).dtype)
    if rank == 0:
        optimizer.zero_grad()
        loss = loss_fn(model(torch.cat([p[0] for p in parts])), torch.cat([p[1] for p in parts]))
        loss.backward()
        optimizer.step()
    loss = loss.detach().clone()
    flat = torch.cat([p.detach().flatten() for p in model.parameters()])
    dist.broadcast(flat, src=0)
    dist.broadcast(loss, src=0)
    for p, new in zip(model.parameters(), flat.split([p.numel() for p in model.parameters()])):
        p.data.copy_(new.view_as(p))
    return loss.item()
