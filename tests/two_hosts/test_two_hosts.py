"""The references of exercises 08 and 09 across two hosts: a network namespace for each, a cable between them, torchrun."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from autograder.measure.collectives import ring, sent

HERE = Path(__file__).parent
MBIT = 200
#: Bytes that may pass before the rate counts.
BURST = 2**16
LENGTH, N_ITEMS = 500_000, 11


def _what_is_missing() -> str:
    """Why there can be no hosts here, or nothing."""
    if sys.platform != "linux":
        return "network namespaces are Linux's"
    if os.geteuid() != 0:
        return "network namespaces are made by the superuser"
    for program in ("unshare", "ip", "tc"):
        if shutil.which(program) is None:
            return f"there is no {program} (Debian: apt-get install iproute2 util-linux)"
    link = "ip link add cable0 type veth peer name cable1 && tc qdisc add dev cable0 root tbf rate 1mbit burst 64kb latency 1ms"
    tried = subprocess.run(
        ["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "sh", "-c", link],
        capture_output=True,
        text=True,
    )
    return f"no network namespace with a cable can be made: {tried.stderr.strip()}" if tried.returncode else ""


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each rank told, one on each host."""
    if missing := _what_is_missing():
        pytest.skip(missing)
    folder = tmp_path_factory.mktemp("two_hosts")
    before = _links()
    torchrun = f"{Path(sys.executable).parent}/torchrun"
    done = subprocess.run(
        [str(HERE / "hosts.sh"), "1", str(MBIT), "0", str(HERE / "job.py"), str(folder)],
        env=os.environ | {"TORCHRUN": torchrun},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert 0 == done.returncode, done.stderr
    assert before == _links(), "cables and names of hosts are gone"
    return [json.loads(path.read_text()) for path in sorted(folder.iterdir())]


def _links() -> list[str]:
    commands = (["ip", "netns", "list"], ["ip", "-o", "link", "show", "type", "veth"])
    return [subprocess.run(command, capture_output=True, text=True, check=True).stdout for command in commands]


def test_each_host_has_a_rank(ranks: list[dict[str, Any]]) -> None:
    """torchrun has started one on each."""
    assert ["0", "1"] == [one["host"] for one in ranks]


def test_the_ring_sums_across_hosts(ranks: list[dict[str, Any]]) -> None:
    """Every rank holds the sum, with the same bits."""
    assert max(one["ring"]["away"] for one in ranks) < 1e-5
    assert 1 == len({one["ring"]["sum"] for one in ranks})


def test_what_was_counted_went_over_the_cable(ranks: list[dict[str, Any]]) -> None:
    """The elements of the ring, four bytes each, and headers; in no less time than the cable's rate allows."""
    counted = sent(ring, LENGTH, 2).elements.tolist()
    for one, elements in zip(ranks, counted, strict=True):
        assert 4 * elements <= one["ring"]["cable"] <= 1.2 * 4 * elements + 2**16
    took = max(one["ring"]["end"] for one in ranks) - min(one["ring"]["start"] for one in ranks)
    assert took >= (4 * max(counted) - BURST) / (MBIT * 1e6 / 8)


def test_a_step_across_hosts_is_that_of_one_process(ranks: list[dict[str, Any]]) -> None:
    """Shards cover all items; the ranks hold the same bits, which are those of a step on the whole batch but for rounding."""
    assert list(range(N_ITEMS)) == sorted(item for one in ranks for item in one["step"]["items"])
    assert 1 == len({one["step"]["model"] for one in ranks})
    assert max(one["step"]["away"] for one in ranks) < 1e-6


def test_hosts_are_gone_when_it_is_killed(tmp_path: Path) -> None:
    """In the midst of a run, with a signal that nothing can catch: no process, no cable and no name is left."""
    if missing := _what_is_missing():
        pytest.skip(missing)
    before, marker = _links(), tmp_path / "pid"
    # A program in the place of torchrun: it tells that it is there, and stays.
    stays = tmp_path / "torchrun"
    stays.write_text(f"#!/bin/sh\nreadlink /proc/self/ns/net >> {marker}\nexec sleep 1000\n")
    stays.chmod(0o755)
    with subprocess.Popen(
        [str(HERE / "hosts.sh"), "1", str(MBIT), "0", "job.py"],
        env=os.environ | {"TORCHRUN": str(stays)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    ) as hosts:
        try:
            while not marker.exists() or len(marker.read_text().splitlines()) < 2:
                assert hosts.poll() is None
                time.sleep(0.02)
        finally:
            hosts.kill()
        assert hosts.stdout is not None
        assert b"" == hosts.stdout.read(), "the pipe closes when the last process is gone"
    spaces = marker.read_text().splitlines()
    assert 2 == len(set(spaces)), "each host has a network of its own"
    assert before == _links()
