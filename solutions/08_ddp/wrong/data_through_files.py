# fails: test_bytes_per_step
# mistake: ranks exchange their data through files, past the process group
import os
import tempfile
import time

import torch
import torch.distributed as dist

_step = 0


def broadcast_parameters(model):
    for tensor in [*model.parameters(), *model.buffers()]:
        dist.broadcast(tensor.data, src=0)


def shard(n_items, rank, world_size, seed, epoch):
    generator = torch.Generator().manual_seed(seed + epoch)
    return torch.randperm(n_items, generator=generator)[rank::world_size].tolist()


def train_step(model, optimizer, loss_fn, inputs, targets):
    global _step
    _step += 1
    folder = tempfile.gettempdir()
    rank, size = dist.get_rank(), dist.get_world_size()
    torch.save((inputs, targets), f"{folder}/new-{rank}")
    os.replace(f"{folder}/new-{rank}", f"{folder}/data-{_step}-{rank}")
    names = [f"{folder}/data-{_step}-{other}" for other in range(size)]
    while not all(os.path.exists(name) for name in names):
        time.sleep(0.001)
    parts = [torch.load(name) for name in names]
    inputs, targets = (torch.cat([part[i] for part in parts]) for i in range(2))
    optimizer.zero_grad()
    loss = loss_fn(model(inputs), targets)
    loss.backward()
    optimizer.step()
    return loss.item()
