"""batch_isend_irecv on a zero-padded copy whose length is a multiple of the world size."""

from __future__ import annotations

import torch
import torch.distributed as dist
import torch.nn.functional as F


def _swap(out: torch.Tensor, into: torch.Tensor, nxt: int, prv: int) -> None:
    ops = [dist.P2POp(dist.isend, out, nxt), dist.P2POp(dist.irecv, into, prv)]
    for work in dist.batch_isend_irecv(ops):
        work.wait()


def ring_all_reduce(tensor: torch.Tensor) -> None:
    world = dist.get_world_size()
    if world == 1 or tensor.numel() == 0:
        return None
    me = dist.get_rank()
    nxt, prv = (me + 1) % world, (me + world - 1) % world

    data = tensor.detach().reshape(-1)
    length = data.numel()
    padded = F.pad(data, (0, -length % world)).contiguous()
    if padded.data_ptr() == data.data_ptr():
        padded = padded.clone()
    size = padded.numel() // world
    scratch = torch.empty(size, dtype=padded.dtype, device=padded.device)

    def part(index: int) -> torch.Tensor:
        return padded.narrow(0, (index % world) * size, size)

    # chunk `me` ends up complete on rank `me`
    for step in range(1, world):
        _swap(part(me - step), scratch, nxt, prv)
        part(me - step - 1).add_(scratch)
    for step in range(world - 1):
        _swap(part(me - step), part(me - step - 1), nxt, prv)

    tensor.detach().copy_(padded[:length].view(tensor.shape))
    return None
