# fails: test_any_length
# mistake: the tensor itself is made longer, over what lies behind it in memory
import torch
import torch.distributed as dist


def ring_all_reduce(tensor):
    rank, p = dist.get_rank(), dist.get_world_size()
    left, right = (rank - 1) % p, (rank + 1) % p
    length = tensor.numel()
    padded = tensor.as_strided((-(-length // p) * p,), (1,))
    padded[length:] = 0
    chunks = padded.tensor_split(p)
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
