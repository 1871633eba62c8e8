# fails: test_steps
# mistake: rank 0 sends first and all others receive first: the ring moves one rank at a time
import torch
import torch.distributed as dist


def ring_all_reduce(tensor):
    rank, p = dist.get_rank(), dist.get_world_size()
    left, right = (rank - 1) % p, (rank + 1) % p
    chunks = tensor.view(-1).tensor_split(p)

    def exchange(outgoing, incoming):
        if rank == 0:
            dist.send(outgoing, right)
            dist.recv(incoming, left)
        else:
            dist.recv(incoming, left)
            dist.send(outgoing, right)

    for step in range(p - 1):
        chunk = chunks[(rank - step - 1) % p]
        received = torch.empty_like(chunk)
        exchange(chunks[(rank - step) % p], received)
        chunk += received
    for step in range(p - 1):
        exchange(chunks[(rank + 1 - step) % p], chunks[(rank - step) % p])
