# fails: test_steps
# mistake: one chunk goes all the way round before the next one starts
import torch
import torch.distributed as dist


def ring_all_reduce(tensor):
    rank, p = dist.get_rank(), dist.get_world_size()
    left, right = (rank - 1) % p, (rank + 1) % p
    chunks = tensor.view(-1).tensor_split(p)
    for chunk in chunks:
        received = torch.empty_like(chunk)
        # On its way from rank 0 to the last one the chunk grows, and from there the sum goes round.
        if rank > 0:
            dist.recv(received, left)
            chunk += received
        dist.send(chunk, right) if rank < p - 1 else None
        if rank < p - 1:
            dist.recv(chunk, left)
        if p > 1 and rank != p - 2:
            dist.send(chunk, right)
