"""Ranks that talk through a watched group: what they did is known, and who waits for whom is said."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from autograder.measure.observation import Watch
from autograder.records import Limits
from autograder.sandbox import Call, Ending, ZygoteSandbox
from autograder.sandbox.procfs import LINUX

pytestmark = pytest.mark.skipif(not LINUX, reason="whether ranks make progress is seen through procfs")

DRIVER = b"""
from autograder.measure.ranks import run_ranks

def go(world_size):
    return run_ranks("student", task, world_size, {"length": 8})

def task(student, log, rank, world_size, length):
    log.stage("talk")
    return student.talk(rank, world_size, length)
"""
HEAD = "import torch, torch.distributed as dist\ndef talk(rank, world_size, length):\n"

Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[ZygoteSandbox]:
    """A sandbox in which ranks can be started."""
    preload = ["autograder.measure.ranks", "torch.distributed"]
    with ZygoteSandbox(preload, {"GLOO_SOCKET_IFNAME": "lo"}) as made:
        yield made


@pytest.fixture
def run(sandbox: ZygoteSandbox) -> Run:
    """What comes of ranks that each do these lines."""

    def run(lines: str, world_size: int = 2, driver: bytes = DRIVER) -> dict[str, Any]:
        source = HEAD + "".join(f"    {line}\n" for line in lines.strip().splitlines())
        files = {"driver.py": driver, "student.py": source.encode()}
        outcome = sandbox.run(Call(files, "driver", "go", (world_size,), limits=Limits(memory_mb=4096)), Watch())
        assert Ending.VALUE is outcome.ending, outcome.message
        return dict(outcome.value)

    return run


def _changed(seen: dict[str, Any]) -> list[bool]:
    """Of each message, whether it was changed on its way."""
    return ["changed" in call for calls in seen["calls"] for call in calls if call["name"] == "send"]


def test_messages_are_told_with_their_peers(run: Run) -> None:
    """Of a message it is known who sent it, to whom, and how much; also where it was awaited from any rank."""
    seen = run(
        """
if rank: dist.send(torch.ones(length), 0); return 0.0
got = torch.zeros(length)
dist.recv(got)
return got.sum().item()
"""
    )
    assert ("", [8.0, 0.0]) == (seen["trouble"], seen["values"])
    (received,), (sent,) = seen["calls"]
    assert ("recv", 1, 0) == (received["name"], received["peer"], received["bytes"])
    assert ("send", 0, 32) == (sent["name"], sent["peer"], sent["bytes"])
    assert "changed" not in sent
    assert [[], []] == seen["not waited for"]


def test_a_ring_of_blocking_sends_is_told(run: Run) -> None:
    """When every rank waits until its message is taken, it is said which rank waits in which call."""
    lines = """
dist.send(torch.ones(length), (rank + 1) % world_size)
dist.recv(torch.ones(length), (rank - 1) % world_size)
"""
    seen = run(lines, world_size=3)
    for rank in range(3):
        assert f"rank {rank}: waits in send of 8 float32 to rank {(rank + 1) % 3} (line 3)" in seen["trouble"]


def test_a_message_changed_on_its_way_is_told(run: Run) -> None:
    """Whoever writes into a message before it has been waited for is found out, whichever elements arrived."""
    seen = run(
        """
tensor = torch.ones(length)
request = dist.isend(tensor, 1 - rank)
tensor += rank
dist.recv(torch.zeros(length), 1 - rank)
request.wait()
"""
    )
    assert "" == seen["trouble"]
    assert [False, True] == _changed(seen)


def test_a_message_changed_after_an_answer_to_it_is_not(run: Run) -> None:
    """Whoever has an answer to a message knows that it came, and need not have waited for it: also not by luck."""
    lines = """
tensor, other = torch.ones(length), torch.zeros(length)
if rank: dist.recv(other, 0); dist.send(other, 0); return other.sum().item()
request = dist.isend(tensor, 1)
dist.recv(tensor, 1){}
request.wait()
"""
    assert [False, False] == _changed(run(lines.format("; tensor += 1")))
    sooner = lines.replace("dist.recv(tensor, 1)", "tensor += 1; dist.recv(other, 1)").format("")
    assert [True, False] == _changed(run(sooner))


def test_a_message_that_nobody_waits_for_arrives_and_is_told(run: Run) -> None:
    """A request that is dropped may take its message with it; here that is no matter of luck."""
    seen = run(
        """
import gc, time
if rank == 0: dist.isend(torch.ones(length), 1); gc.collect(); return 0.0
time.sleep(0.3)
got = torch.zeros(length)
dist.recv(got, 0)
return got.sum().item()
"""
    )
    assert ("", [0.0, 8.0]) == (seen["trouble"], seen["values"])
    assert [["send of 8 float32 to rank 1 (line 4)"], []] == seen["not waited for"]


FEIGNED = b"""
import torch
from autograder.measure import process_groups
process_groups.chosen_device = lambda: torch.device("cuda")
"""


def test_what_cannot_go_from_gpu_to_gpu_goes_through_the_host(run: Run) -> None:
    """Every call gives what it gives without GPUs. Only that there are some is feigned here: the tensors are the CPU's."""
    lines = """
assert dist.group.WORLD._through_host is THROUGH
mine = torch.full([length], rank + 1.0)
dist.all_reduce(mine)
theirs = torch.full([length], float(rank))
dist.broadcast(theirs, 1)
parts = [torch.zeros(length) for _ in range(world_size)]
dist.all_gather(parts, mine + rank)
came = torch.zeros(length)
request = dist.isend(mine * (rank + 1), 1 - rank)
dist.recv(came, 1 - rank)
request.wait()
halves = torch.zeros(length)
dist.all_to_all_single(halves, mine + rank)
return [one[0].item() for one in (mine, theirs, *parts, came, halves)] + [halves[-1].item()]
"""
    plain = run(lines.replace("THROUGH", "False"))
    assert ("", [[3, 1, 3, 4, 6, 3, 4], [3, 1, 3, 4, 3, 3, 4]]) == (plain["trouble"], plain["values"])
    through = run(lines.replace("THROUGH", "True"), driver=FEIGNED + DRIVER)
    assert ("", plain["values"]) == (through["trouble"], through["values"])
    assert [[call["bytes"] for call in calls] for calls in plain["calls"]] == [
        [call["bytes"] for call in calls] for calls in through["calls"]
    ]


def test_one_rank_that_fails_is_named(run: Run) -> None:
    """The ranks that wait for one that raised do not hide it."""
    seen = run("if rank == 1: raise ValueError('no')\ndist.recv(torch.zeros(length), 1)")
    assert seen["trouble"].startswith("Rank 1 raised ValueError in talk: no")
