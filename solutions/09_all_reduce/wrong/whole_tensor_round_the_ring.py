# fails: test_elements_sent
# mistake: the whole tensors go round the ring, p - 1 times
import torch
import torch.distributed as dist


def ring_all_reduce(tensor):
    rank, p = dist.get_rank(), dist.get_world_size()
    left, right = (rank - 1) % p, (rank + 1) % p
    passing = tensor.clone()
    collected = {rank: passing}
    for step in range(1, p):
        request = dist.isend(passing, right)
        received = torch.empty_like(tensor)
        dist.recv(received, left)
        request.wait()
        passing = collected[(rank - step) % p] = received
    tensor.zero_()
    for other in range(p):
        tensor += collected[other]
