# fails: test_communication_hides_behind_backward
# mistake: one bucket, behind layers that are told to take no time
"""Exercise 11: hide communication behind the backward pass, as DistributedDataParallel does.

`Overlapped` is used in every rank, that is in each of the processes that train one model together, with the default
process group initialised. All ranks begin with the same parameters. A step is

    optimizer.zero_grad()
    loss_fn(model(inputs), targets).backward()      # model = Overlapped(module)
    model.finish()
    optimizer.step()
"""

import contextlib
from collections.abc import Iterator

import torch
import torch.distributed as dist
from torch import nn

#: A message costs something for itself, so small ones are dear; a large one begins late.
BUCKET_BYTES = 2**50


def _cut(parameters: list[nn.Parameter]) -> list[list[nn.Parameter]]:
    """Parameters in buckets of about one size and of one type each."""
    buckets: list[list[nn.Parameter]] = []
    room = 0
    for parameter in parameters:
        size = parameter.numel() * parameter.element_size()
        if not buckets or size > room or parameter.dtype != buckets[-1][0].dtype:
            buckets.append([])
            room = BUCKET_BYTES
        buckets[-1].append(parameter)
        room -= size
    return buckets


class Overlapped(nn.Module):
    """A module whose gradients are averaged over all ranks, in buckets, while the backward pass is still running.

    Every rank calls the same methods in the same order. Which parameters get a gradient, and in which order, may differ
    from rank to rank; a parameter without a gradient counts as one with a gradient of zeros. Frozen ones stay out of it.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        for m in module.modules():
            if hasattr(m, "seconds"):
                m.seconds = (0.0, 0.0)
        self._syncing = True
        trainable = [parameter for parameter in module.parameters() if parameter.requires_grad]
        # Gradients come from the last layer to the first.
        self._buckets = _cut(trainable[::-1])
        for number, bucket in enumerate(self._buckets):
            for parameter in bucket:
                parameter.register_post_accumulate_grad_hook(lambda _, number=number: self._one_more(number))
        self._start()

    def _start(self) -> None:
        self._missing = [len(bucket) for bucket in self._buckets]
        self._under_way: list[tuple[dist.Work, torch.Tensor]] = []

    def _one_more(self, number: int) -> None:
        """A gradient of this bucket is there."""
        if self._syncing:
            self._missing[number] -= 1
            # In one order on all ranks, whichever bucket is full first here.
            while (following := len(self._under_way)) < len(self._buckets) and self._missing[following] <= 0:
                self._send()

    def _send(self) -> None:
        """Send the next bucket on its way."""
        bucket = self._buckets[len(self._under_way)]
        gradients = [torch.zeros_like(one) if one.grad is None else one.grad for one in bucket]
        flat = torch.cat([gradient.flatten() for gradient in gradients]) / dist.get_world_size()
        self._under_way.append((dist.all_reduce(flat, async_op=True), flat))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """What the module gives."""
        return self.module(inputs)

    def finish(self) -> None:
        """Wait until the mean over all ranks is in every parameter's `grad`. Called once after the backward pass."""
        while len(self._under_way) < len(self._buckets):
            self._send()
        for bucket, (work, flat) in zip(self._buckets, self._under_way, strict=True):
            work.wait()
            for parameter, mean in zip(bucket, flat.split([one.numel() for one in bucket]), strict=True):
                parameter.grad = mean.view_as(parameter)
        self._start()

    @contextlib.contextmanager
    def no_sync(self) -> Iterator[None]:
        """Backward passes in here send nothing: gradients add up on this rank, until one outside sends the sum."""
        self._syncing = False
        try:
            yield
        finally:
            self._syncing = True
