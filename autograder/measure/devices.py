"""Where the tensors of a call belong.

This module runs inside the sandbox, beside student code.
"""

import os

import torch

from autograder.records import DEVICE_VARIABLE, Device


def chosen_device() -> torch.device:
    """The CPU, or this process's GPU where CUDA is asked for. Asks no driver: processes may still be forked."""
    return torch.device(os.environ.get(DEVICE_VARIABLE, Device.CPU))


def take_gpu(rank: int) -> None:
    """Make this process, a rank, use a GPU of its own, or share one where there are fewer than ranks."""
    if chosen_device().type == Device.CUDA:
        torch.cuda.set_device(rank % torch.cuda.device_count())
