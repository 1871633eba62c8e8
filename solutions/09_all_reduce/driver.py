"""What runs beside a submission of exercise 09, inside the sandbox: ranks that sum tensors, one after another."""

import time
from typing import Any

import numpy as np
import torch

from autograder.measure.devices import chosen_device
from autograder.measure.ranks import Log, run_ranks

STUDENT = "all_reduce"
DEVICE = chosen_device()
#: Elements on either side of a tensor, which are not its own.
MARGIN = 16


def operands(world_size: int, case: dict[str, Any]) -> list[np.ndarray]:
    """Each rank's operand in a case: of its `shape` and `dtype`, drawn from its `seed`.

    Numbers of many sizes, so that the order of additions shows in the last bits. Whole numbers and those with few bits
    are small and add up exactly.
    """
    dtype = np.dtype(case.get("dtype", "float32"))
    drawn = [np.random.default_rng([case["seed"], rank]) for rank in range(world_size)]
    if dtype.kind == "i" or dtype.itemsize < 4:
        return [rng.integers(-100, 100, case["shape"]).astype(dtype) for rng in drawn]
    return [(rng.normal(size=case["shape"]) * 10 ** rng.uniform(-2, 2, case["shape"])).astype(dtype) for rng in drawn]


def reduce(world_size: int, cases: list[dict[str, Any]]) -> dict[str, Any]:
    """Let every rank call `ring_all_reduce` for each case, in turn.

    The rank `late` of a case comes late to it. A rank's value: for each case what the `tensor` was then, and whether
    what lies `around` it in memory stayed as it was.
    """
    return run_ranks(STUDENT, _reduce, world_size, {"cases": cases})


def _reduce(student: Any, log: Log, rank: int, world_size: int, cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    results = []
    for number, case in enumerate(cases, start=1):
        operand = torch.from_numpy(operands(world_size, case)[rank]).to(DEVICE)
        memory = torch.full([operand.numel() + 2 * MARGIN], 77, dtype=operand.dtype, device=DEVICE)
        memory[MARGIN:-MARGIN] = operand.reshape(-1)
        tensor = memory[MARGIN:-MARGIN].view(operand.shape)
        log.stage(f"ring_all_reduce, call {number}")
        if rank == case.get("late"):
            time.sleep(0.1)
        student.ring_all_reduce(tensor)
        around = torch.cat([memory[:MARGIN], memory[-MARGIN:]])
        # Read where it was given: what has become of the object `tensor` is another matter.
        found = memory[MARGIN:-MARGIN].view(operand.shape).cpu().numpy().copy()
        results.append({"tensor": found, "around": bool((around == 77).all())})
    log.stage("the end")
    return results
