# fails: test_every_rank_holds_the_sum
# mistake: one buffer less than there are ranks, filled again in turn, before any news of their messages has gone round
import torch
import torch.distributed as dist


def ring_all_reduce(tensor):
    rank, p = dist.get_rank(), dist.get_world_size()
    left, right = (rank - 1) % p, (rank + 1) % p
    chunks = tensor.view(-1).tensor_split(p)
    buffers, requests = [torch.empty_like(chunks[0]) for _ in range(p - 1)], []

    def send(chunk):
        buffer = buffers[len(requests) % (p - 1)][: len(chunk)]
        buffer.copy_(chunk)
        requests.append(dist.isend(buffer, right))

    for step in range(p - 1):
        chunk = chunks[(rank - step - 1) % p]
        received = torch.empty_like(chunk)
        send(chunks[(rank - step) % p])
        dist.recv(received, left)
        chunk += received
    for step in range(p - 1):
        send(chunks[(rank + 1 - step) % p])
        dist.recv(chunks[(rank - step) % p], left)
    for request in requests:
        request.wait()
