"""Blocking send and recv alone: even ranks send first, odd ones receive first."""

import torch
import torch.distributed as dist


def ring_all_reduce(tensor):
    rank, p = dist.get_rank(), dist.get_world_size()
    left, right = (rank - 1) % p, (rank + 1) % p
    flat = tensor.view(-1)
    size = -(-len(flat) // p)

    def chunk(index):
        index %= p
        return flat[index * size : (index + 1) * size]

    def exchange(outgoing, incoming):
        if rank % 2 == 0:
            dist.send(outgoing.contiguous(), right)
            dist.recv(incoming, left)
        else:
            dist.recv(incoming, left)
            dist.send(outgoing.contiguous(), right)

    for step in range(p - 1):
        mine = chunk(rank - step - 1)
        received = torch.empty_like(mine)
        exchange(chunk(rank - step), received)
        mine.add_(received)
    for step in range(p - 1):
        exchange(chunk(rank + 1 - step), chunk(rank - step))
