"""Naive but right GPipe: all forwards, then all backwards, with blocking send and recv and a small header before each activation."""

import torch
import torch.distributed as dist

DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16]


def send_activation(t, dst):
    t = t.detach().contiguous()
    header = torch.zeros(10, dtype=torch.int64)
    header[0] = DTYPES.index(t.dtype)
    header[1] = t.dim()
    for i, d in enumerate(t.shape):
        header[2 + i] = d
    dist.send(header, dst)
    dist.send(t, dst)


def recv_activation(src):
    header = torch.zeros(10, dtype=torch.int64)
    dist.recv(header, src)
    header = header.tolist()
    t = torch.empty(header[2 : 2 + header[1]], dtype=DTYPES[header[0]])
    dist.recv(t, src)
    return t


def train_step(stage, optimizer, loss_fn, inputs, targets, n_micro):
    rank = dist.get_rank()
    last_rank = dist.get_world_size() - 1
    first = rank == 0
    last = rank == last_rank

    # how many micro-batches: no more than there are items, so that none is empty
    count = torch.zeros(1, dtype=torch.int64)
    if first:
        count[0] = max(1, min(n_micro, len(inputs)))
    else:
        dist.recv(count, rank - 1)
    if not last:
        dist.send(count, rank + 1)
    m = int(count)

    if first:
        xs = torch.tensor_split(inputs, m)
    if last:
        ys = torch.tensor_split(targets, m)

    optimizer.zero_grad()
    ins = []
    outs = []
    total = 0.0

    for i in range(m):
        if first:
            x = xs[i]
            out = stage(x)
        else:
            x = recv_activation(rank - 1).requires_grad_()
            out = stage(x.clone())  # the clone lets a stage begin with an in-place layer
        if last:
            # mean over the batch = sum of the micro means, weighted with their sizes
            out = loss_fn(out, ys[i]) * (len(ys[i]) / max(1, len(targets)))
            total += out.item()
        else:
            send_activation(out, rank + 1)
        ins.append(x)
        outs.append(out)

    for i in range(m):
        if last:
            outs[i].backward()
        else:
            grad = torch.empty(outs[i].shape, dtype=outs[i].dtype)
            dist.recv(grad, rank + 1)
            if outs[i].requires_grad:
                outs[i].backward(grad)
        if not first:
            g = ins[i].grad
            if g is None:
                g = torch.zeros_like(ins[i])
            dist.send(g.contiguous(), rank - 1)
        ins[i] = outs[i] = None

    optimizer.step()
    return total if last else None
