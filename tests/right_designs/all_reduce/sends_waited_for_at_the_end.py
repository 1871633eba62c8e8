"""Every send is waited for at the very end: a chunk comes back only after its own message has gone round before it."""

import torch.distributed as dist


def ring_all_reduce(tensor):
    size, rank = dist.get_world_size(), dist.get_rank()
    right, left = (rank + 1) % size, (rank - 1) % size
    chunks = list(tensor.view(-1).tensor_split(size))
    requests = []
    for step in range(size - 1):
        requests.append(dist.isend(chunks[(rank - step) % size], right))
        mine = chunks[(rank - step - 1) % size]
        received = mine.clone()
        dist.recv(received, left)
        mine += received
    for step in range(size - 1):
        requests.append(dist.isend(chunks[(rank + 1 - step) % size], right))
        dist.recv(chunks[(rank - step) % size], left)
    for request in requests:
        request.wait()
