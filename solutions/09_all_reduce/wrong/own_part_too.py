# fails: test_elements_sent
# mistake: each rank's own part goes all the way round as well, and the sum comes back whole from its left neighbour
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
    for step in range(p - 1):
        request = dist.isend(tensor.view(-1), right)
        whole = torch.empty_like(tensor.view(-1))
        dist.recv(whole, left)
        request.wait()
        place = (rank - step) % p
        chunks[place].copy_(whole.tensor_split(p)[place])
