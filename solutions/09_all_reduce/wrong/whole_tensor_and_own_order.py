# fails: test_the_same_bits_on_all_ranks
# mistake: what comes round the ring is added as it comes: every rank begins elsewhere
import torch
import torch.distributed as dist


def ring_all_reduce(tensor):
    rank, p = dist.get_rank(), dist.get_world_size()
    left, right = (rank - 1) % p, (rank + 1) % p
    passing = tensor.clone()
    for _ in range(p - 1):
        request = dist.isend(passing, right)
        received = torch.empty_like(tensor)
        dist.recv(received, left)
        request.wait()
        tensor += received
        passing = received
