# fails: test_elements_sent
# mistake: rank 0 gets all tensors, adds them up, and sends the sum to everyone
import torch
import torch.distributed as dist


def ring_all_reduce(tensor):
    rank, p = dist.get_rank(), dist.get_world_size()
    if rank > 0:
        dist.send(tensor, 0)
        dist.recv(tensor, 0)
        return
    for other in range(1, p):
        received = torch.empty_like(tensor)
        dist.recv(received, other)
        tensor += received
    for other in range(1, p):
        dist.send(tensor, other)
