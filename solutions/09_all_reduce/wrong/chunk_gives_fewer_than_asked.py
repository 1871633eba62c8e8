# fails: test_any_length
# mistake: torch.chunk gives fewer chunks than ranks where the length is small
import torch
import torch.distributed as dist


def ring_all_reduce(tensor):
    rank, p = dist.get_rank(), dist.get_world_size()
    left, right = (rank - 1) % p, (rank + 1) % p
    chunks = tensor.view(-1).chunk(p)
    for step in range(p - 1):
        chunk = chunks[(rank - step - 1) % p]
        received = torch.empty_like(chunk)
        request = dist.isend(chunks[(rank - step) % p], right)
        dist.recv(received, left)
        request.wait()
        chunk += received
    for step in range(p - 1):
        request = dist.isend(chunks[(rank + 1 - step) % p], right)
        dist.recv(chunks[(rank - step) % p], left)
        request.wait()
