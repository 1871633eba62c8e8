"""1F1B: a stage goes backward as soon as it can, and keeps at most as many micro-batches as there are stages after it."""

import torch
import torch.distributed as dist


def _send(pending, tensor, to):
    shape = torch.tensor([tensor.dim(), *tensor.shape, *[0] * (6 - tensor.dim())])
    tensor = tensor.detach().contiguous()
    pending += [(dist.isend(one, to), one) for one in (shape, tensor)]


def _receive(source, like):
    shape = torch.zeros(7, dtype=torch.int64)
    dist.recv(shape, source)
    tensor = like.new_empty(shape[1 : 1 + shape[0]].tolist())
    dist.recv(tensor, source)
    return tensor


def train_step(stage, optimizer, loss_fn, inputs, targets, n_micro):
    rank, world_size = dist.get_rank(), dist.get_world_size()
    first, last = rank == 0, rank == world_size - 1
    like = next(stage.parameters()).detach()
    micro_inputs = iter(inputs.tensor_split(n_micro)) if first else None
    micro_targets = iter(targets.tensor_split(n_micro)) if last else None
    flying, pending, losses = [], [], []

    def forward():
        x = next(micro_inputs) if first else _receive(rank - 1, like).requires_grad_()
        y = stage(x)
        if not last:
            _send(pending, y, rank + 1)
        flying.append((x, y))

    def backward():
        x, y = flying.pop(0)
        if last:
            t = next(micro_targets)
            loss = loss_fn(y, t) * len(t) / len(targets)
            losses.append(loss.item())
            loss.backward()
        else:
            torch.autograd.backward(y, _receive(rank + 1, like))
        if not first:
            _send(pending, x.grad, rank - 1)

    optimizer.zero_grad()
    warm_up = min(n_micro, world_size - rank - 1)
    for _ in range(warm_up):
        forward()
    for _ in range(n_micro - warm_up):
        forward()
        backward()
    for _ in range(warm_up):
        backward()
    for work, _ in pending:
        work.wait()
    optimizer.step()
    return sum(losses) if last else None
