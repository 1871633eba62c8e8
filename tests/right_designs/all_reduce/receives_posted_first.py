"""All 2(p-1) receives are posted up front, told apart by tags; the gather phase lands directly in the tensor.

A finished chunk can only come back after every rank's part of it has been received by its successor, so a gather receive never
overwrites data that this rank still has to send.
"""

import torch
import torch.distributed as dist


def ring_all_reduce(tensor):
    p, rank = dist.get_world_size(), dist.get_rank()
    if p == 1:
        return
    succ, pred = (rank + 1) % p, (rank - 1) % p
    flat = tensor.detach().contiguous().view(-1)
    chunks = flat.tensor_split(p)

    scratch = {}
    receives = []
    for tag in range(p - 1):
        scratch[tag] = torch.empty_like(chunks[(rank - tag - 1) % p])
        receives.append(dist.irecv(scratch[tag], src=pred, tag=tag))
    for tag in range(p - 1, 2 * (p - 1)):
        receives.append(dist.irecv(chunks[(rank - tag - 1) % p], src=pred, tag=tag))

    sends = []
    for tag in range(2 * (p - 1)):
        sends.append(dist.isend(chunks[(rank - tag) % p], dst=succ, tag=tag))
        receives[tag].wait()
        if tag in scratch:
            chunks[(rank - tag - 1) % p].add_(scratch.pop(tag))
    for work in sends:
        work.wait()

    if not tensor.is_contiguous():
        tensor.detach().copy_(flat.view(tensor.shape))
