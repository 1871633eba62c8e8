"""Exercise 10: pipeline parallelism, one model cut into stages that lie on different ranks.

`train_step` is called in every rank, that is in each of the processes that hold a stage. The default process group is
initialised: rank r holds stage r, and its neighbours are the ranks r - 1 and r + 1.
"""

import torch
import torch.distributed as dist
from torch import nn

# YOUR CODE HERE
raise NotImplementedError("pipeline")


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
    # YOUR CODE HERE
    raise NotImplementedError("pipeline")
