# fails: test_every_rank_holds_the_sum
# mistake: the collective that was to be built is called
import torch.distributed as dist


def ring_all_reduce(tensor):
    dist.all_reduce(tensor)
