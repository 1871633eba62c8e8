"""Exercise 04, seeding: give every worker random numbers of its own, and the same ones on every run.

`import torch` costs a freshly spawned process seconds. Inside the functions that need it, it costs the
workers of `draw` and `noise` nothing.
"""

import multiprocessing

import numpy as np


def draw(seed, n_workers, n_samples, start_method="spawn"):
    """Draw standard normal numbers in n_workers processes: an array of shape (n_workers, n_samples), float64.

    Row r is drawn in worker process r. The same seed gives the same array, on every run and under both start
    methods; another seed gives another array. The rows are independent streams: no row, nor a shifted part of
    one, appears in another, neither for one seed nor for neighbouring seeds.

    No process is left when draw returns or raises.

    `start_method` is "spawn" or "fork".
    """
    # YOUR CODE HERE
    raise NotImplementedError("seeding")


def noise(seed, n_items, n_workers):
    """Draw one standard normal number per item in n_workers processes: an array of shape (n_items,), float64.

    Item i depends on (seed, i) alone: the result is the same for every n_workers, and its first k items are
    the same for every n_items >= k. Seed 1 is not seed 0 shifted.

    No process is left when noise returns or raises.
    """
    # YOUR CODE HERE
    raise NotImplementedError("seeding")


def seed_worker(worker_id):
    """Set up the random numbers of a data loader's worker: `random`, `torch` and the dataset's own `rng`.

    The loader calls it in every worker process before the first item is fetched. `rng`, an attribute of the
    dataset, is a numpy.random.Generator that was made in the parent: every worker has a copy of the same one.
    """
    # YOUR CODE HERE
    raise NotImplementedError("seeding")


def make_loader(dataset, batch_size, seed, num_workers):
    """Make a torch.utils.data.DataLoader that shuffles, with num_workers (at least 1) and seed_worker.

    The same seed gives the same batches in the same order, run after run, whatever else the program draws;
    another seed gives others. Two workers never draw the same numbers, and epoch 2 differs from epoch 1.
    """
    # YOUR CODE HERE
    raise NotImplementedError("seeding")
