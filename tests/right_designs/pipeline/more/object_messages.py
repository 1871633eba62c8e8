"""send_object_list / recv_object_list carry (micro-batches still to come, tensor), so that shapes and dtypes need no thought; GPipe order."""

import torch
import torch.distributed as dist


def _put(where, *what):
    dist.send_object_list(list(what), dst=where)


def _get(where, n):
    box = [None] * n
    dist.recv_object_list(box, src=where)
    return box


def _incoming(rank, inputs, n_micro):
    """Yields (left, x): the number of micro-batches after this one, and the stage's input."""
    if rank == 0:
        parts = inputs.tensor_split(max(1, min(n_micro, inputs.size(0))))
        yield from zip(reversed(range(len(parts))), parts)
    else:
        left = None
        while left != 0:
            left, x = _get(rank - 1, 2)
            yield left, x.requires_grad_(True)


def train_step(stage, optimizer, loss_fn, inputs, targets, n_micro):
    rank = dist.get_rank()
    is_first, is_last = rank == 0, rank == dist.get_world_size() - 1
    optimizer.zero_grad(set_to_none=True)

    tape = []
    for left, x in _incoming(rank, inputs, n_micro):
        y = stage(x if is_first else x.clone())
        if not is_last:
            _put(rank + 1, left, y.detach().clone())
        tape.append((x, y))

    mean = None
    if is_last:
        mean = 0.0
        labels = targets.tensor_split(len(tape))

    for number, (x, y) in enumerate(tape):
        if is_last:
            share = len(labels[number]) / max(1, len(targets))
            loss = loss_fn(y, labels[number])
            mean += share * loss.item()
            (share * loss).backward()
        else:
            [grad] = _get(rank + 1, 1)
            if y.requires_grad:
                torch.autograd.backward([y], [grad])
        if not is_first:
            grad = x.grad if x.grad is not None else torch.zeros_like(x)
            _put(rank - 1, grad.clone())

    optimizer.step()
    return mean
