"""Design: torch.autograd.grad with allow_unused instead of backward(); None tells what is missing, grads are assigned only after the reduction."""

import itertools

import torch
import torch.distributed as dist


def _state(model):
    return itertools.chain(model.parameters(), model.buffers())


@torch.no_grad()
def broadcast_parameters(model):
    for tensor in _state(model):
        if not tensor.numel():
            continue
        buffer = torch.empty(tensor.numel() * tensor.element_size(), dtype=torch.uint8, device=tensor.device)
        if dist.get_rank() == 0:
            buffer.copy_(tensor.contiguous().reshape(-1).view(torch.uint8))
        dist.broadcast(buffer, src=0)
        tensor.copy_(buffer.view(tensor.dtype).reshape(tensor.shape))


def shard(n_items, rank, world_size, seed, epoch):
    generator = torch.Generator().manual_seed((1_000_003 * seed + epoch) % 2**63)
    permutation = torch.randperm(n_items, generator=generator)
    return [int(i) for position, i in enumerate(permutation) if position % world_size == rank]


def _sum_over_ranks(tensors):
    """Sums every tensor of the list over all ranks: one collective for each dtype in it."""
    result = list(tensors)
    for dtype in dict.fromkeys(t.dtype for t in tensors):
        where = [i for i, t in enumerate(tensors) if t.dtype == dtype]
        flat = torch.cat([tensors[i].reshape(-1) for i in where])
        dist.all_reduce(flat)
        for i, part in zip(where, flat.split([tensors[i].numel() for i in where])):
            result[i] = part.reshape(tensors[i].shape)
    return result


def train_step(model, optimizer, loss_fn, inputs, targets):
    everything = list(model.parameters())
    trainable = [p for p in everything if p.requires_grad]

    loss = loss_fn(model(inputs), targets)
    if trainable and loss.requires_grad:
        grads = torch.autograd.grad(loss, trainable, allow_unused=True)
    else:
        grads = [None] * len(trainable)

    n = inputs.size(0)
    header = torch.tensor([n, n * loss.item()], dtype=torch.float64, device=loss.device)
    dist.all_reduce(header)
    total, loss_sum = header.tolist()

    present = torch.tensor([g is not None for g in grads], dtype=torch.uint8, device=loss.device)
    if trainable:
        dist.all_reduce(present, op=dist.ReduceOp.MAX)

    weighted = [torch.zeros_like(p) if g is None else g * (n / total) for p, g in zip(trainable, grads)]
    summed = _sum_over_ranks([w.detach() for w in weighted])

    optimizer.zero_grad(set_to_none=True)
    for p in everything:
        p.grad = None
    for p, g, there in zip(trainable, summed, present.tolist()):
        if there:
            p.grad = g
    optimizer.step()
    return loss_sum / total
