"""Exercise 10: pipeline parallelism, one model cut into stages that lie on different ranks.

`train_step` is called in every rank, that is in each of the processes that hold a stage. The default process group is
initialised: rank r holds stage r, and its neighbours are the ranks r - 1 and r + 1.
"""

import torch
import torch.distributed as dist
from torch import nn

### BEGIN SOLUTION
#: Room for the shape of a tensor: its number of dimensions, then their sizes.
_HEADER = 9


def _send(tensor: torch.Tensor, to: int) -> list[dist.Work]:
    """Send a tensor, after its shape, which the receiver cannot know."""
    header = torch.zeros(_HEADER, dtype=torch.int64)
    header[0] = tensor.dim()
    header[1 : 1 + tensor.dim()] = torch.tensor(tensor.shape)
    return [dist.isend(header, to), dist.isend(tensor.detach().contiguous(), to)]


def _receive(source: int, dtype: torch.dtype) -> torch.Tensor:
    header = torch.zeros(_HEADER, dtype=torch.int64)
    dist.recv(header, source)
    tensor = torch.empty(header[1 : 1 + int(header[0])].tolist(), dtype=dtype)
    dist.recv(tensor, source)
    return tensor


### END SOLUTION


def train_step(
    stage: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss_fn: nn.Module,
    inputs: torch.Tensor | None,
    targets: torch.Tensor | None,
    n_micro: int,
) -> float | None:
    """Do one optimizer step of the whole model, of which this rank holds `stage`, in `n_micro` micro-batches.

    The first rank has `inputs`, the last one `targets`; both are None elsewhere. Items lie along the first dimension of
    both; their number need not be divisible by `n_micro`, and is never smaller. What goes from stage to stage is one
    tensor of the type of the stages' parameters; nobody tells a rank which shape it will get.

    Afterwards every rank's parameters are those that one process would have after a step of the whole model on the
    whole batch. `loss_fn(outputs, targets)` is a mean over the items. Gradients from before the call do not count.

    Gives the mean loss over the whole batch on the last rank, None on the others.

    Stages work at the same time, each on a micro-batch of its own. Ranks send to their neighbours alone.
    """
    ### BEGIN SOLUTION
    rank, last = dist.get_rank(), dist.get_world_size() - 1
    dtype = next(stage.parameters()).dtype
    optimizer.zero_grad()
    sent: list[dist.Work] = []

    # All forward: a stage hands on a micro-batch and begins the next one, while its neighbour has the first.
    fed = [None] * n_micro if inputs is None else inputs.tensor_split(n_micro)
    pairs = []
    for micro_inputs in fed:
        if rank > 0:
            micro_inputs = _receive(rank - 1, dtype).requires_grad_()
        outputs = stage(micro_inputs)
        if rank < last:
            sent += _send(outputs, rank + 1)
        pairs.append((micro_inputs, outputs))

    # All backward. The loss of a micro-batch is a mean over its items alone: it counts by its share of the batch.
    loss = 0.0
    wanted = [None] * n_micro if targets is None else targets.tensor_split(n_micro)
    for (micro_inputs, outputs), micro_targets in zip(pairs, wanted, strict=True):
        if rank == last:
            part = loss_fn(outputs, micro_targets) * (len(micro_targets) / len(targets))
            loss += part.item()
            part.backward()
        else:
            outputs.backward(_receive(rank + 1, dtype))
        if rank > 0:
            sent += _send(micro_inputs.grad, rank - 1)

    for work in sent:
        work.wait()
    optimizer.step()
    return loss if rank == last else None
    ### END SOLUTION
