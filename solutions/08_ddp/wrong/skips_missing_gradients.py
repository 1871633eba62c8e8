# fails: test_gradient_on_some_ranks_only
# mistake: one all-reduce per parameter, on those ranks only that have a gradient
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
    n = len(inputs)
    facts = torch.tensor([loss.item() * n, n], dtype=torch.float64)
    dist.all_reduce(facts)
    total_loss, total = facts.tolist()
    for p in model.parameters():
        if p.grad is not None:
            p.grad *= n / total
            dist.all_reduce(p.grad)
    optimizer.step()
    return total_loss / total
