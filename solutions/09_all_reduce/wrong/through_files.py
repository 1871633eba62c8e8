# fails: test_every_rank_holds_the_sum
# mistake: the elements go through files; small messages only say that they are there
import os
import torch
import torch.distributed as dist

_n = [0]


def ring_all_reduce(tensor):
    p, r = dist.get_world_size(), dist.get_rank()
    if p == 1:
        return
    _n[0] += 1
    name = lambda k: f"part-{_n[0]}-{k}"
    with open(name(r) + "w", "wb") as f:
        f.write(tensor.contiguous().view(-1).numpy().tobytes())
    os.rename(name(r) + "w", name(r))
    one = torch.zeros(1)
    for _ in range(p - 1):
        got = torch.zeros(1)
        q = dist.isend(one, (r + 1) % p)
        dist.recv(got, (r - 1) % p)
        q.wait()
    total = None
    for k in range(p):
        part = torch.frombuffer(bytearray(open(name(k), "rb").read() or b"\0" * 8), dtype=tensor.dtype)[
            : tensor.numel()
        ]
        total = part.clone() if total is None else total + part
    for _ in range(p - 1):
        got = torch.zeros(1)
        q = dist.isend(one, (r + 1) % p)
        dist.recv(got, (r - 1) % p)
        q.wait()
    os.remove(name(r))
    tensor.view(-1).copy_(total)
