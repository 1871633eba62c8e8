# fails: test_nothing_is_left_behind
# mistake: the requests of isend are dropped
import torch
import torch.distributed as dist


def ring_all_reduce(tensor):
    rank, p = dist.get_rank(), dist.get_world_size()
    left, right = (rank - 1) % p, (rank + 1) % p
    chunks = tensor.view(-1).tensor_split(p)
    for step in range(p - 1):
        chunk = chunks[(rank - step - 1) % p]
        received = torch.empty_like(chunk)
        dist.isend(chunks[(rank - step) % p], right)
        dist.recv(received, left)
        chunk += received
    for step in range(p - 1):
        dist.isend(chunks[(rank + 1 - step) % p], right)
        dist.recv(chunks[(rank - step) % p], left)
