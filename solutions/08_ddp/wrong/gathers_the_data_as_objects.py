# fails: test_bytes_per_step
# mistake: all data goes to all ranks, pickled, and every rank does the whole batch
import torch
import torch.distributed as dist


def broadcast_parameters(model):
    for tensor in [*model.parameters(), *model.buffers()]:
        dist.broadcast(tensor.data, src=0)


def shard(n_items, rank, world_size, seed, epoch):
    generator = torch.Generator().manual_seed(seed + epoch)
    return torch.randperm(n_items, generator=generator)[rank::world_size].tolist()


def train_step(model, optimizer, loss_fn, inputs, targets):
    parts = [None] * dist.get_world_size()
    dist.all_gather_object(parts, (inputs, targets))
    inputs = torch.cat([part[0] for part in parts])
    targets = torch.cat([part[1] for part in parts])
    optimizer.zero_grad()
    loss = loss_fn(model(inputs), targets)
    loss.backward()
    optimizer.step()
    return loss.item()
