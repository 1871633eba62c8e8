"""Long-lived workers that answer requests over duplex pipes (None means go home); generators and ExitStack; numpy's old RandomState."""

import multiprocessing as mp
import random
from contextlib import ExitStack
from multiprocessing.connection import wait

import numpy as np


def _entropy(*words):
    """32-bit words for RandomState, hashed from all the numbers given."""
    first, *rest = words
    return np.random.SeedSequence(first, spawn_key=tuple(rest)).generate_state(16)


def _normal(n, *words):
    return np.random.RandomState(_entropy(*words)).standard_normal(n)


def _serve(conn):
    for request in iter(conn.recv, None):
        try:
            conn.send(_normal(*request))
        except Exception as e:
            conn.send(e)


class _Worker:
    def __init__(self, ctx):
        self.conn, other = ctx.Pipe()
        with other:
            self.process = ctx.Process(target=_serve, args=(other,))
            self.process.start()

    def ask(self, *request):
        self.conn.send(request)

    def reply(self):
        answer = self.conn.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.conn.send(None)
            else:
                self.process.kill()
        except OSError:
            pass  # it is gone already
        self.process.join()
        self.conn.close()


def _hired(stack, n, start_method):
    ctx = mp.get_context(start_method)
    return [stack.enter_context(_Worker(ctx)) for _ in range(n)]


def draw(seed, n_workers, n_samples, start_method="spawn"):
    result = np.empty((n_workers, n_samples))
    with ExitStack() as stack:
        workers = _hired(stack, n_workers, start_method)
        for rank, worker in enumerate(workers):
            worker.ask(n_samples, seed, 0, rank)
        for rank, worker in enumerate(workers):
            result[rank] = worker.reply()
    return result


def noise(seed, n_items, n_workers, block=500):
    result = np.empty(-(-n_items // block) * block)
    todo = iter(range(0, len(result), block))
    with ExitStack() as stack:
        busy = {}

        def next_for(worker):
            for start in todo:
                worker.ask(block, seed, 1, start)
                busy[worker.conn] = worker, start
                return

        for worker in _hired(stack, n_workers if n_items else 0, "fork"):
            next_for(worker)
        while busy:
            for conn in wait(list(busy)):
                worker, start = busy.pop(conn)
                result[start : start + block] = worker.reply()
                next_for(worker)
    return result[:n_items].copy()


def seed_worker(worker_id):
    import torch

    info = torch.utils.data.get_worker_info()
    words = _entropy(info.seed, 2)
    info.dataset.rng = np.random.default_rng(words[:8])
    random.seed(words[8:12].tobytes())
    torch.manual_seed(int.from_bytes(words[12:14].tobytes(), "little") >> 1)


def make_loader(dataset, batch_size, seed, num_workers):
    import torch

    generator = torch.Generator()
    generator.manual_seed(int.from_bytes(_entropy(seed, 3)[:2].tobytes(), "little") >> 1)
    return torch.utils.data.DataLoader(
        dataset,
        batch_size=batch_size,
        shuffle=True,
        num_workers=num_workers,
        worker_init_fn=seed_worker,
        generator=generator,
    )
