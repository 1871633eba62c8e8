"""What every rank does: the ring of exercise 09 and a step of exercise 08; what came of it goes into FOLDER/RANK.json.

torchrun [...] tests/two_hosts/job.py FOLDER
"""

import hashlib
import json
import os
import sys
import time
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn

SOLUTIONS = Path(__file__).parents[2] / "solutions"
sys.path[:0] = [str(SOLUTIONS / "08_ddp"), str(SOLUTIONS / "09_all_reduce")]

import ddp  # noqa: E402
from all_reduce import ring_all_reduce  # noqa: E402

#: Elements of the tensor that goes round the ring.
LENGTH = 500_000
N_ITEMS = 11


def sent_over_cable() -> int:
    """Bytes, with all headers, that this host has sent over its end of the cable so far."""
    lines = Path("/proc/net/dev").read_text().splitlines()
    ours = next(line for line in lines if line.strip().startswith(os.environ["GLOO_SOCKET_IFNAME"] + ":"))
    return int(ours.partition(":")[2].split()[8])


def digest(tensors: list[torch.Tensor]) -> str:
    """The same for the same bits."""
    return hashlib.sha256(b"".join(tensor.detach().numpy().tobytes() for tensor in tensors)).hexdigest()


def ring(rank: int, world_size: int) -> dict[str, object]:
    """Sum a tensor over all ranks: when it began and ended, what went over the cable, and what came of it."""
    operands = [torch.randn(LENGTH, generator=torch.Generator().manual_seed(one)) for one in range(world_size)]
    tensor = operands[rank].clone()
    dist.barrier()
    before, start = sent_over_cable(), time.monotonic()
    ring_all_reduce(tensor)
    end = time.monotonic()
    dist.barrier()
    return {
        "start": start,
        "end": end,
        "cable": sent_over_cable() - before,
        "away": float((tensor - sum(operands)).abs().max()),
        "sum": digest([tensor]),
    }


def step(rank: int, world_size: int) -> dict[str, object]:
    """Train a step on shards of different sizes, from different weights; how far that is from one process's step."""
    torch.manual_seed(rank)
    model, loss_fn = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)), nn.MSELoss()
    ddp.broadcast_parameters(model)
    alone = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    alone.load_state_dict(model.state_dict())
    data = torch.Generator().manual_seed(7)
    inputs, targets = torch.randn(N_ITEMS, 6, generator=data), torch.randn(N_ITEMS, 3, generator=data)

    mine = ddp.shard(N_ITEMS, rank, world_size, seed=1, epoch=0)
    ddp.train_step(model, torch.optim.SGD(model.parameters(), lr=0.5), loss_fn, inputs[mine], targets[mine])
    loss_fn(alone(inputs), targets).backward()
    torch.optim.SGD(alone.parameters(), lr=0.5).step()
    pairs = zip(model.parameters(), alone.parameters(), strict=True)
    return {
        "items": mine,
        "model": digest(list(model.parameters())),
        "away": max(float((ours - theirs).detach().abs().max()) for ours, theirs in pairs),
    }


def main() -> None:
    """The life of a rank."""
    dist.init_process_group("gloo")
    rank, world_size = dist.get_rank(), dist.get_world_size()
    told = {"host": os.environ["GROUP_RANK"], "ring": ring(rank, world_size), "step": step(rank, world_size)}
    (Path(sys.argv[1]) / f"{rank}.json").write_text(json.dumps(told))
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
