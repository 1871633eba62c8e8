"""Exercise 08: write a step of distributed data parallel training.

Every function here is called in every rank, that is in each of the `world_size` processes that train one model
together. The default process group is initialised: `dist.get_rank()`, `dist.get_world_size()`,
`dist.all_reduce(tensor)` and the other collectives of `torch.distributed` work.
"""

import torch
import torch.distributed as dist
from torch import nn


def broadcast_parameters(model: nn.Module) -> None:
    """Give every rank the parameters and buffers of rank 0.

    Frozen parameters, buffers that are not persistent and buffers of integers count as well.
    """
    ### BEGIN SOLUTION
    for tensor in [*model.parameters(), *model.buffers()]:
        dist.broadcast(tensor.detach(), src=0)
    ### END SOLUTION


def shard(n_items: int, rank: int, world_size: int, seed: int, epoch: int) -> list[int]:
    """The items that are `rank`'s in this epoch, as indices.

    `range(n_items)` is put in an order that follows from `(seed, epoch)` and dealt out to the ranks: every item
    goes to exactly one rank, and the ranks' numbers of items differ by one at most.
    """
    ### BEGIN SOLUTION
    order = torch.randperm(n_items, generator=torch.Generator().manual_seed(seed + epoch))
    return order[rank::world_size].tolist()
    ### END SOLUTION


def train_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss_fn: nn.Module,
    inputs: torch.Tensor,
    targets: torch.Tensor,
) -> float:
    """Do one optimizer step on the whole batch, of which this rank has the shard `inputs`, `targets`.

    Afterwards every rank holds the same parameters, bit for bit, and they are those that one process would hold
    after a step on all shards together. Gradients from before the call do not count.

    Shards may differ in size; none is empty. `loss_fn(outputs, targets)` is a mean over the items. A parameter that
    has no gradient on some ranks is trained by the others' gradients; one that has none on any rank is left alone,
    as one process would leave it, and so are frozen parameters.

    Gives the mean loss over the whole batch, the same on all ranks.

    The ranks exchange little more than one model's worth of bytes per step, in a number of collective calls that
    does not depend on how many parameters the model has.
    """
    ### BEGIN SOLUTION
    optimizer.zero_grad()
    loss = loss_fn(model(inputs), targets)
    loss.backward()
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]

    # What everyone must know before gradients can be weighed: how many items there are, and which gradients.
    has_gradient = [parameter.grad is not None for parameter in parameters]
    facts = torch.tensor(
        [loss.item() * len(inputs), len(inputs), *has_gradient], dtype=torch.float64, device=loss.device
    )
    dist.all_reduce(facts)
    total_loss, n_items, *n_gradients = facts.tolist()

    # One flat tensor, so one call, however many parameters there are.
    share = len(inputs) / n_items
    flat = torch.cat(
        [
            (torch.zeros_like(parameter) if parameter.grad is None else parameter.grad * share).flatten()
            for parameter in parameters
        ]
    )
    dist.all_reduce(flat)

    means = flat.split([parameter.numel() for parameter in parameters])
    for parameter, mean, n in zip(parameters, means, n_gradients, strict=True):
        parameter.grad = mean.view_as(parameter) if n else None
    optimizer.step()
    return total_loss / n_items
    ### END SOLUTION
