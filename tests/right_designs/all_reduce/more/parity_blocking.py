"""Blocking send and recv only; even ranks send first, odd ranks receive first, so that nobody waits in a circle."""

import torch
import torch.distributed as dist


def ring_all_reduce(tensor):
    p = dist.get_world_size()
    rank = dist.get_rank()
    if p == 1:
        return
    right = (rank + 1) % p
    left = (rank - 1) % p

    flat = tensor.detach().contiguous().view(-1)
    n = flat.numel()
    # boundaries of the p chunks, sizes differ by one at most (and may be 0)
    bounds = [n * i // p for i in range(p + 1)]

    def chunk(i):
        i = i % p
        return flat[bounds[i] : bounds[i + 1]]

    def exchange(outgoing, incoming):
        # with an odd number of ranks, rank 0 and rank p-1 are neighbours and both send first:
        # that is fine, because the chain of waiting ends at rank 1, which receives first
        if rank % 2 == 0:
            dist.send(outgoing, right)
            dist.recv(incoming, left)
        else:
            dist.recv(incoming, left)
            dist.send(outgoing, right)

    # reduce-scatter
    for step in range(p - 1):
        mine = chunk(rank - step - 1)
        incoming = torch.empty_like(mine)
        exchange(chunk(rank - step), incoming)
        mine += incoming

    # all-gather: I own chunk rank + 1 now
    for step in range(p - 1):
        exchange(chunk(rank + 1 - step), chunk(rank - step))

    if flat.data_ptr() != tensor.data_ptr():
        tensor.detach().copy_(flat.view(tensor.shape))
