"""Blocking send in a one-thread executor while the main thread receives; the executor is closed before returning."""

from concurrent.futures import ThreadPoolExecutor

import torch
import torch.distributed as dist


def ring_all_reduce(tensor):
    world_size = dist.get_world_size()
    if world_size < 2:
        return
    rank = dist.get_rank()
    successor = (rank + 1) % world_size
    predecessor = (rank - 1) % world_size

    vector = tensor.detach().contiguous().view(-1)
    base, extra = divmod(vector.numel(), world_size)
    sizes = [base + 1] * extra + [base] * (world_size - extra)
    pieces = torch.split(vector, sizes)
    landing = torch.empty(max(sizes), dtype=vector.dtype, device=vector.device)

    with ThreadPoolExecutor(max_workers=1) as courier:
        for step in range(world_size - 1):
            goes = pieces[(rank - step) % world_size]
            grows = pieces[(rank - step - 1) % world_size]
            sent = courier.submit(dist.send, goes, successor)
            came = landing[: grows.numel()]
            dist.recv(came, predecessor)
            sent.result()
            torch.add(grows, came, out=grows)
        for step in range(world_size - 1):
            sent = courier.submit(dist.send, pieces[(rank - step + 1) % world_size], successor)
            dist.recv(pieces[(rank - step) % world_size], predecessor)
            sent.result()

    if vector.data_ptr() != tensor.data_ptr():
        tensor.detach().copy_(vector.view_as(tensor))
