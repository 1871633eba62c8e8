# fails: test_the_same_bits_on_all_ranks
# mistake: every rank adds up all tensors itself, beginning with its own
import torch
import torch.distributed as dist


def ring_all_reduce(tensor):
    rank, p = dist.get_rank(), dist.get_world_size()
    others = [other for other in range(p) if other != rank]
    mine = tensor.clone()
    received = [torch.empty_like(tensor) for _ in others]
    requests = [dist.isend(mine, other) for other in others]
    for place, other in zip(received, others):
        dist.recv(place, other)
        tensor += place
    for request in requests:
        request.wait()
