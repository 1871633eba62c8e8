"""1F1B: a generator yields the order of the forwards and backwards, every send is an isend that is waited for at the end."""

from collections import deque

import torch
import torch.distributed as dist

_KINDS = (torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.complex64)


def one_f_one_b(m, warmup):
    for i in range(warmup):
        yield "forward", i
    for i in range(warmup, m):
        yield "forward", i
        yield "backward", i - warmup
    for i in range(m - warmup, m):
        yield "backward", i


class Mail:
    """Asynchronous sends; keeps every tensor alive until its message has gone."""

    __slots__ = ("pending",)

    def __init__(self):
        self.pending = []

    def post(self, tensor, to):
        tensor = tensor.detach().contiguous()
        self.pending.append((dist.isend(tensor, to), tensor))

    def post_with_shape(self, tensor, to):
        meta = [_KINDS.index(tensor.dtype), tensor.dim()] + list(tensor.shape)
        self.post(torch.tensor([len(meta)]), to)
        self.post(torch.tensor(meta), to)
        self.post(tensor, to)

    @staticmethod
    def read(shape, dtype, source):
        tensor = torch.empty(shape, dtype=dtype)
        dist.recv(tensor, source)
        return tensor

    @classmethod
    def read_with_shape(cls, source):
        length = cls.read((1,), torch.int64, source).item()
        kind, dims, *shape = cls.read((length,), torch.int64, source).tolist()
        return cls.read(shape[:dims], _KINDS[kind], source)

    def flush(self):
        for work, _ in self.pending:
            work.wait()
        self.pending.clear()


def train_step(stage, optimizer, loss_fn, inputs, targets, n_micro):
    rank, size = dist.get_rank(), dist.get_world_size()
    before = rank - 1 if rank > 0 else None
    after = rank + 1 if rank + 1 < size else None
    mail = Mail()

    if before is None:
        m = max(1, min(n_micro, inputs.shape[0]))
    else:
        m = mail.read((1,), torch.int64, before).item()
    if after is not None:
        mail.post(torch.tensor([m]), after)

    feed = iter(inputs.tensor_split(m)) if before is None else None
    answers = iter(targets.tensor_split(m)) if after is None else None
    in_flight = deque()
    losses = []

    def forward():
        if before is None:
            leaf, out = None, stage(next(feed))
        else:
            leaf = mail.read_with_shape(before).requires_grad_()
            out = stage(leaf.clone())
        if after is None:
            answer = next(answers)
            out = loss_fn(out, answer) * answer.shape[0] / max(1, targets.shape[0])
            losses.append(out.item())
        else:
            mail.post_with_shape(out, after)
        in_flight.append((leaf, out))

    def backward():
        leaf, out = in_flight.popleft()
        if after is None:
            out.backward()
        else:
            grad = mail.read(out.shape, out.dtype, after)
            if out.requires_grad:
                out.backward(grad)
        if leaf is not None:
            mail.post(torch.zeros_like(leaf) if leaf.grad is None else leaf.grad, before)

    optimizer.zero_grad()
    actions = {"forward": forward, "backward": backward}
    for action, _ in one_f_one_b(m, min(size - 1 - rank, m)):
        actions[action]()
    mail.flush()
    optimizer.step()
    return sum(losses) if after is None else None
