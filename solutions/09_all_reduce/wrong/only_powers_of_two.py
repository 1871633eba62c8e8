# fails: test_every_rank_holds_the_sum
# mistake: partners are found by flipping a bit of the rank, which needs a power of two
import torch
import torch.distributed as dist


def ring_all_reduce(tensor):
    rank, p = dist.get_rank(), dist.get_world_size()
    flat = tensor.view(-1)
    begin, end, done, distance = 0, len(flat), [], p // 2
    while distance:
        partner = rank ^ distance
        middle = (begin + end) // 2
        low, high = (begin, middle), (middle, end)
        keep, give = (low, high) if rank < partner else (high, low)
        received = torch.empty_like(flat[keep[0] : keep[1]])
        request = dist.isend(flat[give[0] : give[1]], partner)
        dist.recv(received, partner)
        request.wait()
        flat[keep[0] : keep[1]] += received
        done.append((partner, keep, give))
        (begin, end), distance = keep, distance // 2
    for partner, keep, give in reversed(done):
        request = dist.isend(flat[keep[0] : keep[1]], partner)
        dist.recv(flat[give[0] : give[1]], partner)
        request.wait()
