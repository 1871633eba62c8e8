"""A thread of its own sends, so that computing goes on meanwhile."""

import queue
import threading

import torch
import torch.distributed as dist


def _sender(box):
    while (item := box.get()) is not None:
        tensor, to = item
        dist.send(torch.tensor([tensor.dim(), *tensor.shape] + [0] * (7 - tensor.dim())), to)
        dist.send(tensor, to)


def _receive(source, dtype):
    header = torch.zeros(8, dtype=torch.int64)
    dist.recv(header, source)
    tensor = torch.zeros(tuple(header[1 : 1 + header[0]].tolist()), dtype=dtype)
    dist.recv(tensor, source)
    return tensor


def train_step(stage, optimizer, loss_fn, inputs, targets, n_micro):
    rank, last = dist.get_rank(), dist.get_world_size() - 1
    dtype = next(stage.parameters()).dtype
    box = queue.Queue()
    thread = threading.Thread(target=_sender, args=(box,))
    thread.start()
    try:
        optimizer.zero_grad()
        xs, ys = [], []
        for k in range(n_micro):
            x = inputs.tensor_split(n_micro)[k] if rank == 0 else _receive(rank - 1, dtype).requires_grad_()
            y = stage(x)
            xs.append(x)
            ys.append(y)
            if rank < last:
                box.put((y.detach().contiguous(), rank + 1))
        loss = 0.0
        for k in range(n_micro):
            if rank == last:
                t = targets.tensor_split(n_micro)[k]
                part = loss_fn(ys[k], t) * len(t) / len(targets)
                part.backward()
                loss += part.item()
            else:
                ys[k].backward(_receive(rank + 1, dtype))
            if rank > 0:
                box.put((xs[k].grad.contiguous(), rank - 1))
    finally:
        box.put(None)
        thread.join()
    optimizer.step()
    return loss if rank == last else None
