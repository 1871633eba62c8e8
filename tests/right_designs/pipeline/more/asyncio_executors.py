"""asyncio: sends run as futures in one-thread executors (one per direction, so that the order is kept), receives are awaited in a third."""

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor

import torch
import torch.distributed as dist

TYPES = {0: torch.float32, 1: torch.float64, 2: torch.float16, 3: torch.bfloat16}
CODES = {dtype: code for code, dtype in TYPES.items()}


class Link:
    def __init__(self, peer, stack):
        self.peer = peer
        self.out = stack.enter_context(ThreadPoolExecutor(1))
        self.into = stack.enter_context(ThreadPoolExecutor(1))
        self.sent = []

    def send(self, tensor):
        tensor = tensor.detach().contiguous()
        self.sent.append(asyncio.get_running_loop().run_in_executor(self.out, dist.send, tensor, self.peer))

    async def recv(self, shape, dtype):
        tensor = torch.empty(shape, dtype=dtype)
        await asyncio.get_running_loop().run_in_executor(self.into, dist.recv, tensor, self.peer)
        return tensor

    async def drained(self):
        await asyncio.gather(*self.sent)


async def _run(stage, loss_fn, inputs, targets, n_micro, left, right):
    if left:
        m = (await left.recv([1], torch.int64)).item()
    else:
        m = max(1, min(n_micro, len(inputs)))
    if right:
        right.send(torch.tensor([m]))
    tape, loss = [], 0.0
    for i in range(m):
        if left:
            code, dims, *shape = (await left.recv([10], torch.int64)).tolist()
            x = (await left.recv(shape[:dims], TYPES[code])).requires_grad_()
            y = stage(x.clone())
        else:
            x = inputs.tensor_split(m)[i]
            y = stage(x)
        if right:
            head = torch.zeros(10, dtype=torch.int64)
            head[: 2 + y.dim()] = torch.tensor([CODES[y.dtype], y.dim(), *y.shape])
            right.send(head)
            right.send(y)
            await asyncio.sleep(0)
        else:
            goal = targets.tensor_split(m)[i]
            y = loss_fn(y, goal) * (len(goal) / max(1, len(targets)))
            loss += y.item()
        tape.append((x, y))
    for x, y in tape:
        if right:
            grad = await right.recv(y.shape, y.dtype)
            if y.requires_grad:
                y.backward(grad)
        else:
            y.backward()
        if left:
            left.send(torch.zeros_like(x) if x.grad is None else x.grad)
    for link in (left, right):
        if link:
            await link.drained()
    return None if right else loss


def train_step(stage, optimizer, loss_fn, inputs, targets, n_micro):
    rank, size = dist.get_rank(), dist.get_world_size()
    optimizer.zero_grad()
    with contextlib.ExitStack() as stack:
        left = Link(rank - 1, stack) if rank > 0 else None
        right = Link(rank + 1, stack) if rank < size - 1 else None
        loss = asyncio.run(_run(stage, loss_fn, inputs, targets, n_micro, left, right))
    optimizer.step()
    return loss
