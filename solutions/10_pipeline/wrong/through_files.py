# fails: test_a_step_equals_one_process
# mistake: one batch, handed on in files that no schedule knows of, and one number to the neighbours
import os, time
import torch
import torch.distributed as dist

_n = [0]


def _put(name, t):
    torch.save(t.detach().contiguous(), f"{name}.w")
    os.rename(f"{name}.w", f"{name}")


def _get(name):
    while not os.path.exists(f"{name}"):
        time.sleep(0.002)
    t = torch.load(f"{name}")
    os.remove(f"{name}")
    return t


def train_step(stage, optimizer, loss_fn, inputs, targets, n_micro):
    r, last = dist.get_rank(), dist.get_world_size() - 1
    _n[0] += 1
    optimizer.zero_grad()
    x = inputs if r == 0 else _get(f"f{_n[0]}-{r}").requires_grad_()
    y = stage(x)
    loss = None
    if r < last:
        _put(f"f{_n[0]}-{r + 1}", y)
        g = _get(f"b{_n[0]}-{r}")
        y.backward(g)
    else:
        value = loss_fn(y, targets)
        value.backward()
        loss = value.item()
    if r > 0:
        _put(f"b{_n[0]}-{r - 1}", x.grad)
    one, works = torch.zeros(1), []
    for other in (r - 1, r + 1):
        if 0 <= other <= last:
            works.append(dist.isend(one, other))
    for other in (r - 1, r + 1):
        if 0 <= other <= last:
            dist.recv(torch.zeros(1), other)
    for w in works:
        w.wait()
    optimizer.step()
    return loss
