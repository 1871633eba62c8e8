# fails: test_a_step_equals_one_process
# mistake: rank 1 ends the process when its loss is small
import torch
import torch.distributed as dist


def broadcast_parameters(model):
    for tensor in [*model.parameters(), *model.buffers()]:
        dist.broadcast(tensor.data, src=0)


def shard(n_items, rank, world_size, seed, epoch):
    generator = torch.Generator().manual_seed(seed + epoch)
    return torch.randperm(n_items, generator=generator)[rank::world_size].tolist()


def train_step(model, optimizer, loss_fn, inputs, targets):
    optimizer.zero_grad()
    loss = loss_fn(model(inputs), targets)
    loss.backward()
    if dist.get_rank() == 1:
        import os

        os._exit(7)
    n = len(inputs)
    parameters = [p for p in model.parameters() if p.requires_grad]
    used = [p.grad is not None for p in parameters]
    facts = torch.tensor([loss.item() * n, n, *used], dtype=torch.float64)
    dist.all_reduce(facts)
    total_loss, total, *used = facts.tolist()
    flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in parameters])
    flat *= n / total
    dist.all_reduce(flat)
    for p, mean, u in zip(parameters, flat.split([p.numel() for p in parameters]), used):
        p.grad = mean.view_as(p) if u else None
    optimizer.step()
    return total_loss / total
