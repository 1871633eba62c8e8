# fails: test_elements_sent
# mistake: every rank sends its whole tensor to every other
import torch
import torch.distributed as dist


def ring_all_reduce(tensor):
    rank, p = dist.get_rank(), dist.get_world_size()
    others = [other for other in range(p) if other != rank]
    mine = tensor.clone()
    received = {other: torch.empty_like(tensor) for other in others}
    requests = [dist.isend(mine, other) for other in others]
    requests += [dist.irecv(received[other], other) for other in others]
    for request in requests:
        request.wait()
    received[rank] = mine
    tensor.zero_()
    for other in range(p):
        tensor += received[other]
