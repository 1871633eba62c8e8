"""A courier thread per neighbour takes tensors from a queue and sends them; a context manager ends and joins it. 1F1B order."""

from __future__ import annotations

import queue
import threading

import torch
import torch.distributed as dist

DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16]


class Courier:
    def __init__(self, target: int) -> None:
        self.target = target
        self.queue: queue.SimpleQueue = queue.SimpleQueue()
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._deliver, name=f"courier-to-{target}")

    def _deliver(self) -> None:
        while (tensor := self.queue.get()) is not None:
            if self.error is None:
                try:
                    dist.send(tensor, self.target)
                except BaseException as error:
                    self.error = error

    def __enter__(self) -> "Courier":
        self.thread.start()
        return self

    def __exit__(self, *exception) -> None:
        self.queue.put(None)
        self.thread.join()
        if self.error is not None and exception[0] is None:
            raise self.error

    def put(self, tensor: torch.Tensor) -> None:
        self.queue.put(tensor.detach().contiguous())

    def put_described(self, tensor: torch.Tensor) -> None:
        described = [DTYPES.index(tensor.dtype), tensor.dim(), *tensor.shape]
        self.put(torch.tensor(described + [0] * (12 - len(described))))
        self.put(tensor)


def take(source: int, shape, dtype) -> torch.Tensor:
    tensor = torch.empty(shape, dtype=dtype)
    dist.recv(tensor, source)
    return tensor


def take_described(source: int) -> torch.Tensor:
    code, dims, *shape = take(source, (12,), torch.int64).tolist()
    return take(source, shape[:dims], DTYPES[code])


class Nowhere:
    """In place of a courier at the two ends of the pipeline."""

    def __enter__(self):
        return None

    def __exit__(self, *exception):
        return None


def train_step(stage, optimizer, loss_fn, inputs, targets, n_micro):
    rank, world = dist.get_rank(), dist.get_world_size()
    first, last = rank == 0, rank == world - 1
    total = 0.0
    optimizer.zero_grad()
    with Nowhere() if first else Courier(rank - 1) as back, Nowhere() if last else Courier(rank + 1) as forth:
        m = max(1, min(n_micro, len(inputs))) if first else take(rank - 1, (1,), torch.int64).item()
        if forth:
            forth.put(torch.tensor([m]))
        xs = inputs.tensor_split(m) if first else None
        ys = targets.tensor_split(m) if last else None
        kept: dict[int, tuple] = {}

        def forward(i: int) -> None:
            nonlocal total
            x = xs[i] if first else take_described(rank - 1).requires_grad_()
            out = stage(x if first else x.clone())
            if last:
                out = loss_fn(out, ys[i]) * (len(ys[i]) / max(1, len(targets)))
                total += out.item()
            else:
                forth.put_described(out)
            kept[i] = x, out

        def backward(i: int) -> None:
            x, out = kept.pop(i)
            if last:
                out.backward()
            else:
                grad = take(rank + 1, out.shape, out.dtype)
                if out.requires_grad:
                    out.backward(grad)
            if not first:
                back.put(x.grad if x.grad is not None else torch.zeros_like(x))

        ahead = min(world - rank, m)  # the last stage keeps one micro-batch, the first `world`
        for i in range(ahead):
            forward(i)
        for i in range(m):
            backward(i)
            if i + ahead < m:
                forward(i + ahead)
    optimizer.step()
    return total if last else None
