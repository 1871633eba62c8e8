# fails: test_batch_that_does_not_divide
# mistake: the shape is told with the first micro-batch and taken for all
import torch
import torch.distributed as dist


known = {}


def send(tensor, to, first):
    header = torch.zeros(9, dtype=torch.int64)
    header[0] = tensor.dim()
    header[1 : 1 + tensor.dim()] = torch.tensor(tensor.shape)
    told = [dist.isend(header, to)] if first else []
    return told + [dist.isend(tensor.detach().contiguous(), to)]


def receive(source, dtype, first):
    if first:
        known[source] = torch.zeros(9, dtype=torch.int64)
        dist.recv(known[source], source)
    header = known[source]
    tensor = torch.empty(header[1 : 1 + int(header[0])].tolist(), dtype=dtype)
    dist.recv(tensor, source)
    return tensor


def train_step(stage, optimizer, loss_fn, inputs, targets, n_micro):
    rank, last = dist.get_rank(), dist.get_world_size() - 1
    dtype = next(stage.parameters()).dtype
    optimizer.zero_grad()
    sent = []
    fed = [None] * n_micro if inputs is None else inputs.tensor_split(n_micro)
    wanted = [None] * n_micro if targets is None else targets.tensor_split(n_micro)
    pairs = []
    for k, x in enumerate(fed):
        if rank > 0:
            x = receive(rank - 1, dtype, k == 0).requires_grad_()
        y = stage(x)
        if rank < last:
            sent += send(y, rank + 1, k == 0)
        pairs.append((x, y))
    total = 0.0
    for k, ((x, y), t) in enumerate(zip(pairs, wanted)):
        if rank == last:
            loss = loss_fn(y, t) * (len(t) / len(targets))
            total += loss.item()
            loss.backward()
        else:
            y.backward(receive(rank + 1, dtype, k == 0))
        if rank > 0:
            sent += send(x.grad, rank - 1, k == 0)
    for work in sent:
        work.wait()
    optimizer.step()
    return total if rank == last else None
