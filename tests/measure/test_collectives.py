"""What an all-reduce costs on many ranks is what real ranks really send, and what their replayed messages take."""

import math
from pathlib import Path

import numpy as np
import pytest

from autograder.measure.collectives import (
    Algorithm,
    gather_and_broadcast,
    halving_and_doubling,
    least_seconds,
    recursive_doubling,
    ring,
    sent,
    simulate,
)
from autograder.measure.hockney import Hockney
from autograder.measure.observation import Watch
from autograder.measure.replay import events_of, replay
from autograder.records import Limits
from autograder.sandbox import Call, Ending, ZygoteSandbox
from autograder.sandbox.procfs import LINUX

SOLUTION = Path(__file__).parents[2] / "solutions" / "09_all_reduce"
NETWORK = Hockney(alpha=3e-5, beta=1e-9)
POWERS_OF_TWO = [1 << bit for bit in range(11)]
ALGORITHMS = [ring, gather_and_broadcast, recursive_doubling, halving_and_doubling]


@pytest.mark.skipif(not LINUX, reason="whether ranks make progress is seen through procfs")
def test_the_ring_is_that_of_the_reference() -> None:
    """On 1 to 8 ranks, for lengths that can be divided or not: messages and elements of each rank, and the replayed time."""
    lengths = (0, 3, 8, 1000, 1003)
    files = {name: (SOLUTION / name).read_bytes() for name in ("driver.py", "all_reduce.py")}
    cases = [{"shape": [length], "seed": length} for length in lengths]
    with ZygoteSandbox(["autograder.measure.ranks", "torch.distributed"], {"GLOO_SOCKET_IFNAME": "lo"}) as sandbox:
        for n_ranks in range(1, 9):
            call = Call(files, "driver", "reduce", (n_ranks, cases), limits=Limits(memory_mb=4096))
            outcome = sandbox.run(call, Watch())
            assert (Ending.VALUE, "") == (outcome.ending, outcome.message)
            assert "" == outcome.value["trouble"]
            for number, length in enumerate(lengths, start=1):
                stage = f"ring_all_reduce, call {number}"
                seen = [
                    [call["bytes"] // 4 for call in calls if call["name"] == "send" and call["stage"][1] == stage]
                    for calls in outcome.value["calls"]
                ]
                counted = sent(ring, length, n_ranks)
                assert [len(sizes) for sizes in seen] == counted.messages.tolist()
                assert [sum(sizes) for sizes in seen] == counted.elements.tolist()
                schedule = replay(events_of(outcome.value, stage), NETWORK.alpha, NETWORK.beta)
                assert pytest.approx(schedule.seconds) == simulate(ring, length, n_ranks, NETWORK)


@pytest.mark.parametrize("length", [1, 1000, 1024, 1_000_003])
@pytest.mark.parametrize("n_ranks", [*POWERS_OF_TWO, 3, 1000])
def test_the_ring_has_its_closed_form(length: int, n_ranks: int) -> None:
    """2 (p - 1) messages; all chunks twice but two of them; as long as the largest chunk takes all the way."""
    counted = sent(ring, length, n_ranks)
    chunk = np.array([len(part) for part in np.array_split(np.empty(length), n_ranks)])
    ranks = np.arange(n_ranks)
    assert [2 * (n_ranks - 1)] * n_ranks == counted.messages.tolist()
    assert (
        2 * length - chunk[(ranks + 1) % n_ranks] - chunk[(ranks + 2) % n_ranks]
    ).tolist() == counted.elements.tolist()
    expected = 2 * (n_ranks - 1) * NETWORK.seconds(4 * math.ceil(length / n_ranks))
    assert pytest.approx(expected) == simulate(ring, length, n_ranks, NETWORK)


@pytest.mark.parametrize("n_ranks", POWERS_OF_TWO)
def test_the_others_have_theirs(n_ranks: int) -> None:
    """The times of Thakur, Rabenseifner and Gropp, where the ranks divide the length."""
    length, rounds = 4096, n_ranks.bit_length() - 1
    whole, share = 4 * length * NETWORK.beta, (n_ranks - 1) / n_ranks
    expected = {
        gather_and_broadcast: 2 * (n_ranks - 1) * (NETWORK.alpha + whole),
        recursive_doubling: rounds * (NETWORK.alpha + whole),
        halving_and_doubling: 2 * rounds * NETWORK.alpha + 2 * share * whole,
    }
    for algorithm, seconds in expected.items():
        assert pytest.approx(seconds) == simulate(algorithm, length, n_ranks, NETWORK)


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.__name__)
@pytest.mark.parametrize(("length", "n_ranks"), [(5, 8), (1003, 16), (64, 2), (7, 1)])
def test_rounds_are_possible(algorithm: Algorithm, length: int, n_ranks: int) -> None:
    """In a round nobody sends or receives twice, or to itself; all that is needed for a sum on all ranks is sent."""
    for senders, receivers, _ in algorithm(length, n_ranks):
        assert len(senders) == len(set(senders.tolist()))
        assert len(receivers) == len(set(receivers.tolist()))
        assert (senders != receivers).all()
    assert sent(algorithm, length, n_ranks).elements.sum() >= 2 * (n_ranks - 1) * length


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.__name__)
def test_nothing_is_below_the_lower_bound(algorithm: Algorithm) -> None:
    """On networks of all kinds, for tensors of all sizes."""
    for network in (Hockney(1e-5, 0.0), Hockney(0.0, 1e-9), NETWORK):
        for length in (1, 8, 1003, 10**7):
            for n_ranks in POWERS_OF_TWO[:8]:
                least = least_seconds(length, n_ranks, network)
                assert simulate(algorithm, length, n_ranks, network) >= least * (1 - 1e-9)


def test_the_bound_is_met_where_one_thing_alone_costs() -> None:
    """By recursive doubling where only messages cost, and by the ring where only bytes do."""
    assert pytest.approx(10 * 1e-5) == least_seconds(8, 1024, Hockney(1e-5, 0.0))
    assert simulate(recursive_doubling, 8, 1024, Hockney(1e-5, 0.0)) == pytest.approx(10 * 1e-5)
    free = Hockney(0.0, 1e-9)
    assert simulate(ring, 1024_000, 1024, free) == pytest.approx(least_seconds(1024_000, 1024, free))


def test_powers_of_two() -> None:
    """What is for powers of two says so."""
    with pytest.raises(ValueError, match="6 ranks"):
        list(recursive_doubling(8, 6))
