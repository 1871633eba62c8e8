"""The last stage goes back right after each forward; the others run all forwards, with the receive of each gradient posted early."""

import torch
import torch.distributed as dist

CODE = {torch.float32: 1, torch.float64: 2, torch.float16: 3, torch.bfloat16: 4}
NAME = {v: k for k, v in CODE.items()}


def _isend(queue, tensor, to):
    tensor = tensor.detach().contiguous()
    queue.append((dist.isend(tensor, to), tensor))


def _recv_described(source):
    number = torch.zeros(2, dtype=torch.int64)
    dist.recv(number, source)
    code, dims = number.tolist()
    shape = torch.zeros(max(1, dims), dtype=torch.int64)
    dist.recv(shape, source)
    tensor = torch.zeros(shape.tolist()[:dims], dtype=NAME[code])
    dist.recv(tensor, source)
    return tensor.requires_grad_()


def _isend_described(queue, tensor, to):
    _isend(queue, torch.tensor([CODE[tensor.dtype], tensor.dim()]), to)
    _isend(queue, torch.tensor(list(tensor.shape) or [0]), to)
    _isend(queue, tensor, to)


def _give_back(queue, x, to):
    _isend(queue, x.grad if x.grad is not None else torch.zeros_like(x), to)


def _only_stage(stage, loss_fn, inputs, targets, m):
    loss = 0.0
    for x, t in zip(inputs.tensor_split(m), targets.tensor_split(m)):
        part = loss_fn(stage(x), t) * (len(t) / max(1, len(targets)))
        part.backward()
        loss += part.item()
    return loss


def _last_stage(stage, loss_fn, targets, m, prev):
    queue, loss = [], 0.0
    for t in targets.tensor_split(m):
        x = _recv_described(prev)
        part = loss_fn(stage(x.clone()), t) * (len(t) / max(1, len(targets)))
        part.backward()
        _give_back(queue, x, prev)
        loss += part.item()
    for work, _ in queue:
        work.wait()
    return loss


def _other_stage(stage, inputs, m, rank):
    queue, open_micros = [], []
    parts = inputs.tensor_split(m) if rank == 0 else [None] * m
    for part in parts:
        x = part if rank == 0 else _recv_described(rank - 1)
        y = stage(x if rank == 0 else x.clone())
        _isend_described(queue, y, rank + 1)
        grad = torch.zeros(y.shape, dtype=y.dtype)
        open_micros.append((x, y, grad, dist.irecv(grad, rank + 1)))
    for x, y, grad, arrival in open_micros:
        arrival.wait()
        if y.requires_grad:
            y.backward(grad)
        if rank > 0:
            _give_back(queue, x, rank - 1)
    for work, _ in queue:
        work.wait()


def train_step(stage, optimizer, loss_fn, inputs, targets, n_micro):
    rank, last = dist.get_rank(), dist.get_world_size() - 1
    m = torch.tensor([max(1, min(n_micro, len(inputs))) if rank == 0 else 0])
    if rank > 0:
        dist.recv(m, rank - 1)
    if rank < last:
        dist.send(m, rank + 1)
    m = m.item()

    optimizer.zero_grad()
    if last == 0:
        loss = _only_stage(stage, loss_fn, inputs, targets, m)
    elif rank == last:
        loss = _last_stage(stage, loss_fn, targets, m, rank - 1)
    else:
        loss = _other_stage(stage, inputs, m, rank)
    optimizer.step()
    return loss
