"""Each rank adds up one part, which all others send it, and sends the sum to all."""

import torch
import torch.distributed as dist


def ring_all_reduce(tensor):
    rank, p = dist.get_rank(), dist.get_world_size()
    others = [other for other in range(p) if other != rank]
    parts = tensor.view(-1).tensor_split(p)
    received = {other: torch.empty_like(parts[rank]) for other in others}
    requests = [dist.irecv(received[other], other, tag=1) for other in others]
    requests += [dist.isend(parts[other], other, tag=1) for other in others]
    for request in requests:
        request.wait()
    for other in others:
        parts[rank].add_(received[other])
    requests = [dist.irecv(parts[other], other, tag=2) for other in others]
    requests += [dist.isend(parts[rank], other, tag=2) for other in others]
    for request in requests:
        request.wait()
