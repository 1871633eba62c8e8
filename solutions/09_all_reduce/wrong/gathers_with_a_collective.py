# fails: test_every_rank_holds_the_sum
# mistake: the second round is all_gather's
import torch
import torch.distributed as dist


def ring_all_reduce(tensor):
    rank, p = dist.get_rank(), dist.get_world_size()
    left, right = (rank - 1) % p, (rank + 1) % p
    padded = torch.zeros(-(-tensor.numel() // p) * p, dtype=tensor.dtype)
    padded[: tensor.numel()] = tensor.view(-1)
    chunks = padded.chunk(p)
    for step in range(p - 1):
        chunk = chunks[(rank - step - 1) % p]
        received = torch.empty_like(chunk)
        request = dist.isend(chunks[(rank - step) % p], right)
        dist.recv(received, left)
        request.wait()
        chunk += received
    gathered = [torch.empty_like(chunks[0]) for _ in range(p)]
    dist.all_gather(gathered, chunks[(rank + 1) % p])
    tensor.view(-1).copy_(torch.cat(gathered[-1:] + gathered[:-1])[: tensor.numel()])
