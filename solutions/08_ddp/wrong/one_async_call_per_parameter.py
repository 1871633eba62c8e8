# fails: test_calls_do_not_grow_with_parameters
# mistake: one asynchronous all-reduce per parameter: they overlap, but there are as many
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
    parameters = [p for p in model.parameters() if p.requires_grad]
    used = [p.grad is not None for p in parameters]
    facts = torch.tensor([loss.item() * n, n, *used], dtype=torch.float64)
    dist.all_reduce(facts)
    total_loss, total, *used = facts.tolist()
    handles = []
    for p, u in zip(parameters, used):
        if u:
            p.grad = torch.zeros_like(p) if p.grad is None else p.grad * (n / total)
            handles.append(dist.all_reduce(p.grad, async_op=True))
    for handle in handles:
        handle.wait()
    optimizer.step()
    return total_loss / total
