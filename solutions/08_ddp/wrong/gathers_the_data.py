# fails: test_bytes_per_step
# mistake: all data goes to all ranks, and every rank does the whole batch
import torch
import torch.distributed as dist


def broadcast_parameters(model):
    for tensor in [*model.parameters(), *model.buffers()]:
        dist.broadcast(tensor.data, src=0)


def shard(n_items, rank, world_size, seed, epoch):
    generator = torch.Generator().manual_seed(seed + epoch)
    return torch.randperm(n_items, generator=generator)[rank::world_size].tolist()


def train_step(model, optimizer, loss_fn, inputs, targets):
    n = torch.tensor([len(inputs)])
    sizes = [torch.zeros_like(n) for _ in range(dist.get_world_size())]
    dist.all_gather(sizes, n)
    most = max(int(size) for size in sizes)

    def gather(tensor):
        padded = tensor.new_zeros(most, *tensor.shape[1:])
        padded[: len(tensor)] = tensor
        parts = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(parts, padded)
        return torch.cat([part[: int(size)] for part, size in zip(parts, sizes)])

    inputs, targets = gather(inputs), gather(targets)
    optimizer.zero_grad()
    loss = loss_fn(model(inputs), targets)
    loss.backward()
    optimizer.step()
    return loss.item()
