"""torch.Generator in the workers, a thread per process reads its pipe; items in blocks dealt out round robin."""

import hashlib
import multiprocessing as mp
import random
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch.utils.data import DataLoader, get_worker_info

BLOCK = 100


def digest(*words) -> int:
    return int(hashlib.blake2b(":".join(map(str, words)).encode(), digest_size=8).hexdigest(), 16) >> 1


def normal(n, *words):
    g = torch.Generator()
    g.manual_seed(digest(*words))
    # numpy's, seeded with many bits from it: 32 bits of a Mersenne seed alone might meet by chance
    return np.random.default_rng(torch.randint(2**62, (4,), generator=g).tolist() + [digest(*words)]).standard_normal(n)


def send(pipe, function, args):
    with pipe:
        pipe.send_bytes(function(*args).tobytes())


def receive(process, pipe):
    try:
        data = pipe.recv_bytes()
    except (EOFError, OSError):
        process.join()
        raise RuntimeError(f"worker ended with {process.exitcode}") from None
    process.join()
    return np.frombuffer(data)


def parallel(start_method, function, argument_lists):
    ctx = mp.get_context(start_method)
    team = []
    try:
        for args in argument_lists:
            r, w = ctx.Pipe(duplex=False)
            with w:
                p = ctx.Process(target=send, args=(w, function, args))
                p.start()
            team.append((p, r))
        with ThreadPoolExecutor(max(1, len(team))) as threads:
            return list(threads.map(receive, *zip(*team))) if team else []
    finally:
        for p, r in team:
            p.kill()
            p.join()
            r.close()


def draw_row(seed, rank, n_samples):
    return normal(n_samples, "draw", seed, rank)


def draw(seed, n_workers, n_samples, start_method="spawn"):
    rows = parallel(start_method, draw_row, [(seed, rank, n_samples) for rank in range(n_workers)])
    return np.array(rows).reshape(n_workers, n_samples)


def draw_blocks(seed, worker, n_workers, n_blocks):
    return np.concatenate([np.empty(0)] + [normal(BLOCK, "noise", seed, b) for b in range(worker, n_blocks, n_workers)])


def noise(seed, n_items, n_workers):
    n_blocks = (n_items + BLOCK - 1) // BLOCK
    result = np.empty((n_blocks, BLOCK))
    if n_blocks:
        parts = parallel("fork", draw_blocks, [(seed, w, n_workers, n_blocks) for w in range(n_workers)])
        for w, part in enumerate(parts):
            result[w::n_workers] = part.reshape(-1, BLOCK)
    return result.ravel()[:n_items].copy()


def seed_worker(worker_id):
    info = get_worker_info()
    info.dataset.rng = np.random.default_rng([digest("rng", info.seed), info.seed])
    random.seed(digest("random", info.seed))
    torch.manual_seed(digest("torch", info.seed))


def make_loader(dataset, batch_size, seed, num_workers):
    return DataLoader(
        dataset,
        batch_size=batch_size,
        shuffle=True,
        num_workers=num_workers,
        worker_init_fn=seed_worker,
        generator=torch.Generator().manual_seed(digest("loader", seed)),
    )
