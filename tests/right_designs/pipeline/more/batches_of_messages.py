"""Shapes come first, all at once; then messages in pairs, with batch_isend_irecv."""

import torch
import torch.distributed as dist


def _exchange(operations):
    for work in dist.batch_isend_irecv(operations) if operations else []:
        work.wait()


def train_step(stage, optimizer, loss_fn, inputs, targets, n_micro):
    rank, last = dist.get_rank(), dist.get_world_size() - 1
    dtype = next(stage.parameters()).dtype
    optimizer.zero_grad()
    parts = inputs.tensor_split(n_micro) if rank == 0 else None
    # The shapes of all micro-batches, found by a look at the first one that comes by.
    sizes = torch.zeros(n_micro, dtype=torch.int64)
    if rank == 0:
        sizes = torch.tensor([len(part) for part in parts])
    else:
        dist.recv(sizes, rank - 1)
    if rank < last:
        dist.send(sizes, rank + 1)
    rest = torch.zeros(8, dtype=torch.int64)
    pairs, unsent = [], []
    for k, size in enumerate(sizes.tolist()):
        if rank == 0:
            x = parts[k]
        else:
            if k == 0:
                dist.recv(rest, rank - 1)
            x = torch.empty([size, *rest[1 : 1 + rest[0]].tolist()], dtype=dtype)
            _exchange([dist.P2POp(dist.irecv, x, rank - 1)])
            x.requires_grad_()
        y = stage(x)
        if rank < last:
            out = y.detach().contiguous()
            if k == 0:
                shape = torch.zeros(8, dtype=torch.int64)
                shape[: y.dim()] = torch.tensor([y.dim() - 1, *y.shape[1:]])
                unsent.append((dist.isend(shape, rank + 1), shape))
            unsent.append((dist.batch_isend_irecv([dist.P2POp(dist.isend, out, rank + 1)])[0], out))
        pairs.append((x, y))
    total = torch.zeros(())
    wanted = targets.tensor_split(n_micro) if rank == last else [None] * n_micro
    for (x, y), t in zip(pairs, wanted, strict=True):
        if rank == last:
            loss = loss_fn(y, t) * len(t) / len(targets)
            total = total + loss.detach()
            gradients = torch.autograd.grad(loss, y, retain_graph=True)[0]
        else:
            gradients = torch.empty(y.shape, dtype=dtype)
            _exchange([dist.P2POp(dist.irecv, gradients, rank + 1)])
        y.backward(gradients)
        if rank > 0:
            unsent.append((dist.isend(x.grad.contiguous(), rank - 1), x.grad))
    for work, _ in unsent:
        work.wait()
    optimizer.step()
    return total.item() if rank == last else None
