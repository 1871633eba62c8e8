# fails: test_every_rank_holds_the_sum
# mistake: complete chunks are not passed on: each rank holds one
import torch
import torch.distributed as dist


def ring_all_reduce(tensor):
    rank, p = dist.get_rank(), dist.get_world_size()
    left, right = (rank - 1) % p, (rank + 1) % p
    chunks = tensor.view(-1).tensor_split(p)
    for step in range(p - 1):
        chunk = chunks[(rank - step - 1) % p]
        received = torch.empty_like(chunk)
        request = dist.isend(chunks[(rank - step) % p], right)
        dist.recv(received, left)
        request.wait()
        chunk += received
