# fails: test_steps
# mistake: every chunk is sent in pieces of 16 elements, one after the other
import torch
import torch.distributed as dist


def ring_all_reduce(tensor):
    rank, p = dist.get_rank(), dist.get_world_size()
    left, right = (rank - 1) % p, (rank + 1) % p
    chunks = tensor.view(-1).tensor_split(p)

    def exchange(outgoing, incoming):
        for begin in range(0, max(len(outgoing), len(incoming)), 16):
            piece, place = outgoing[begin : begin + 16], incoming[begin : begin + 16]
            request = dist.isend(piece, right)
            dist.recv(place, left)
            request.wait()

    for step in range(p - 1):
        chunk = chunks[(rank - step - 1) % p]
        received = torch.empty_like(chunk)
        exchange(chunks[(rank - step) % p], received)
        chunk += received
    for step in range(p - 1):
        exchange(chunks[(rank + 1 - step) % p], chunks[(rank - step) % p])
