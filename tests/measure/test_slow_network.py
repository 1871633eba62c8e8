"""A slow network between ranks, and work of a known length: as they are told, and as the replay sees them."""

import pytest

from autograder.measure.observation import Watch
from autograder.measure.replay import events_of, replay
from autograder.records import Limits
from autograder.sandbox import Call, Ending, ZygoteSandbox
from autograder.sandbox.procfs import LINUX

pytestmark = pytest.mark.skipif(not LINUX, reason="whether ranks make progress is seen through procfs")

DRIVER = b"""
import time
import torch
import torch.distributed as dist
from autograder.measure.ranks import Network, run_ranks

def go(wait_at_once):
    return run_ranks("student", task, 2, {"wait_at_once": wait_at_once}, Network(per_message=0.02, per_byte=0.001))

def task(student, log, rank, world_size, wait_at_once):
    log.stage("step")
    start = time.monotonic()
    pending = []
    for number in range(3):
        with log.work("compute", 0.05, number):
            pass
        pending.append(dist.all_reduce(torch.ones(5), async_op=True))
        if wait_at_once:
            pending[-1].wait()
    for work in pending:
        work.wait()
    return time.monotonic() - start
"""


@pytest.mark.parametrize(("wait_at_once", "expected"), [(True, 3 * (0.05 + 0.04)), (False, 3 * 0.05 + 0.04)])
def test_a_message_takes_its_time_and_hides_behind_work(wait_at_once: bool, expected: float) -> None:
    """The replay gives the exact time, whatever the machine was busy with; the ranks really take at least that long."""
    files = {"driver.py": DRIVER, "student.py": b""}
    with ZygoteSandbox(["autograder.measure.ranks", "torch.distributed"], {"GLOO_SOCKET_IFNAME": "lo"}) as sandbox:
        outcome = sandbox.run(Call(files, "driver", "go", (wait_at_once,), limits=Limits(memory_mb=4096)), Watch())
    assert Ending.VALUE is outcome.ending, outcome.message
    assert pytest.approx(expected) == replay(events_of(outcome.value, "step"), 0.02, 0.001).seconds
    assert min(outcome.value["values"]) >= expected - 0.001
    names = [mark[1] for mark in outcome.value["timeline"]["marks"]]
    assert 6 == names.count("compute") == names.count("all_reduce"), "the timeline shows both"
