"""Exercise 09: sum a tensor over all ranks with messages between two of them.

`ring_all_reduce` is called in every rank, that is in each of the `world_size` processes that work together. The default
process group is initialised: `dist.get_rank()`, `dist.get_world_size()`, `dist.send(tensor, rank)`,
`dist.recv(tensor, rank)`, `dist.isend`, `dist.irecv` and `dist.batch_isend_irecv` work. Collectives are not for here.
"""

import torch
import torch.distributed as dist


def ring_all_reduce(tensor: torch.Tensor) -> None:
    """Put the sum over all ranks in the place of `tensor`, in every rank.

    All ranks call it with a tensor of the same shape and dtype, contiguous, of any length: also one that cannot be divided
    by the number of ranks, or is shorter. There may be one rank only. Afterwards all ranks hold the same sum, bit for bit.

    Of N elements on p ranks each rank sends at most 2 (p - 1) / p * N (and 2 p for padding), in 2 (p - 1) steps. All
    messages have been waited for when it returns.
    """
    ### BEGIN SOLUTION
    rank, world_size = dist.get_rank(), dist.get_world_size()
    left, right = (rank - 1) % world_size, (rank + 1) % world_size
    chunks = tensor.view(-1).tensor_split(world_size)  # views; sizes differ by one at most, and may be 0
    received = torch.empty_like(chunks[0])  # the first is the largest

    # Reduce-scatter: each chunk goes once round the ring and is added to on its way.
    for step in range(world_size - 1):
        chunk = chunks[(rank - step - 1) % world_size]
        request = dist.isend(chunks[(rank - step) % world_size], right)
        dist.recv(received[: len(chunk)], left)
        request.wait()
        chunk += received[: len(chunk)]

    # All-gather: the chunks that are whole now go round once more.
    for step in range(world_size - 1):
        request = dist.isend(chunks[(rank + 1 - step) % world_size], right)
        dist.recv(chunks[(rank - step) % world_size], left)
        request.wait()
    ### END SOLUTION
