# fails: test_elements_sent
# mistake: whole tensors go up a tree to rank 0 and down again
import torch
import torch.distributed as dist


def ring_all_reduce(tensor):
    rank, p = dist.get_rank(), dist.get_world_size()
    parent, children = (rank - 1) // 2, [child for child in (2 * rank + 1, 2 * rank + 2) if child < p]
    for child in children:
        received = torch.empty_like(tensor)
        dist.recv(received, child)
        tensor += received
    if rank > 0:
        dist.send(tensor, parent)
        dist.recv(tensor, parent)
    for child in children:
        dist.send(tensor, child)
