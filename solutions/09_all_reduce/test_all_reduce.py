"""Checks of exercise 09, all_reduce: a sum over all ranks, with messages alone."""

import math
from collections import defaultdict, deque
from typing import Any, TypedDict

import numpy as np
import pytest

from autograder.checks import assert_clean, expect_type, fail, fingerprint

#: What may be called. A barrier moves no data, and so costs the points of one check only.
MESSAGES = {"send", "recv"}
MOVES_NO_DATA = MESSAGES | {"barrier", "monitored_barrier"}


class Reduced(TypedDict):
    """What a rank holds after a call."""

    tensor: Any
    around: bool


def reduced(ran: dict[str, Any], cases: list[dict[str, Any]]) -> list[list[Reduced]]:
    """For each case what the ranks hold, once nothing went wrong in any of them and none used a collective."""
    for rank, calls in enumerate(ran["calls"]):
        collective = next((call for call in calls if call["name"] not in MOVES_NO_DATA), None)
        if collective is not None:
            fail(
                f"Rank {rank} called {collective['name']}{_line(collective)}, which is a collective: it does for you what "
                "this exercise is about.\nOnly send, recv, isend, irecv and batch_isend_irecv may be used."
            )
        changed = next((call for call in calls if call.get("changed")), None)
        if changed is not None:
            fail(
                f"Rank {rank} changed a message while it was under way: the send to rank {changed['peer']}{_line(changed)}.\n"
                "Until isend's request has been waited for, or another message shows that this one has come, the memory "
                "belongs to it: the other rank may get old elements, new ones, or some of each, and whether the sum is right "
                "is a matter of luck."
            )
    if ran["trouble"]:
        fail(ran["trouble"])
    values = expect_type(ran["values"], list[list[Reduced]], "the ranks' own report")
    whole = all(len(value) == len(cases) for value in values)
    assert whole and all(isinstance(one["tensor"], np.ndarray) for value in values for one in value), (
        "A rank's report is not its own."
    )
    return [[value[place] for value in values] for place in range(len(cases))]


def _line(call: dict[str, Any]) -> str:
    return f" in line {call['line']}" if "line" in call else ""


def sums(driver: Any, world_size: int, cases: list[dict[str, Any]], measured: dict[str, Any]) -> dict[str, Any]:
    """The ranks hold the sum in each of the cases. Gives what was seen of them."""
    ran = driver.reduce(world_size, cases)
    for number, (case, ranks) in enumerate(zip(cases, reduced(ran, cases), strict=True), start=1):
        operands = driver.operands(world_size, case)
        exact = np.sum([operand.astype(np.longdouble) for operand in operands], axis=0)
        # Whatever the order of the additions, each rounds by half a unit in the last place of what is added at most.
        sizes = np.sum([np.abs(operand.astype(np.longdouble)) for operand in operands], axis=0)
        kind = operands[0].dtype
        allowed = 0 if kind.kind == "i" else 2 * world_size * np.finfo(kind).eps * sizes
        title = f"a tensor of shape {tuple(case['shape'])} and type {kind} on {world_size} rank(s)"
        for rank, held in enumerate(ranks):
            what = f"In call {number}, with {title}, rank {rank}"
            found = held["tensor"]
            assert found.shape == exact.shape and found.dtype == kind, f"{what} gave a report that is not its own."
            with np.errstate(invalid="ignore"):
                right = np.abs(found.astype(np.longdouble) - exact) <= allowed
            if not right.all():
                fail(f"{what} does not hold the sum.\n{_wrong(found, right, exact, operands, rank)}")
            assert held["around"], (
                f"{what} wrote outside of the tensor that it was given, into memory beside it that belongs to others."
            )
            distance = float(np.max(np.abs(found.astype(np.longdouble) - exact), initial=0))
            measured["largest difference"] = max(measured.get("largest difference", 0.0), distance)
    _came_in_messages(ran, world_size, cases)
    return ran


def _came_in_messages(ran: dict[str, Any], world_size: int, cases: list[dict[str, Any]]) -> None:
    """Every rank was sent as much as the sums are: each of their elements has something in it that it did not have."""
    sums = sum(math.prod(case["shape"]) * np.dtype(case.get("dtype", "float32")).itemsize for case in cases)
    sends = [call for calls in ran["calls"] for call in calls if call["name"] == "send"]
    for rank in range(world_size):
        received = sum(call["bytes"] for call in sends if call.get("peer") == rank)
        assert received >= sums or world_size == 1, (
            f"Rank {rank} was sent {received:,} bytes in all, and holds {sums:,} bytes of sums in which others have a part.\n"
            "How did it learn of them, if not by a message?"
        )


def _wrong(found: Any, right: Any, exact: Any, operands: list[Any], rank: int) -> str:
    """Which elements are wrong, and what they look like."""
    found, right, exact = found.reshape(-1), right.reshape(-1), exact.reshape(-1)
    mine, places = operands[rank].reshape(-1), np.flatnonzero(~right)
    first = places[0]
    text = f"Element {first} should be {float(exact[first]):.6g} and is {float(found[first]):.6g}"
    if right.any():
        text += f"; {len(places)} of {len(found)} are wrong, {_ranges(places)}"
    wrong = found[places].astype(np.float64)

    def like(values: Any) -> bool:
        with np.errstate(all="ignore"):
            return bool(np.allclose(wrong, np.asarray(values)[places].astype(np.float64), rtol=1e-3, atol=1e-6))

    if like(mine):
        why = "In which chunk are they?" if right.any() else "How does the sum get into the memory of `tensor` itself?"
        return f"{text}.\nThey are what this rank had at first. {why}"
    if like(exact / len(operands)):
        return f"{text}.\nThey are the mean of the ranks' elements. A sum was asked for."
    if like(exact - mine):
        return f"{text}.\nThis rank's own elements are not in the sum."
    return f"{text}.\nWhich ranks' elements have come here, how often, and from which chunk of theirs?"


def _ranges(places: Any) -> str:
    """Indices as ranges: ``3 to 5, 8``."""
    runs = np.split(places, np.flatnonzero(np.diff(places) > 1) + 1)
    words = [f"{run[0]} to {run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs[:4]]
    return f"elements {', '.join(words)}{' and others' if len(runs) > 4 else ''}"


# The sum -------------------------------------------------------------------------------------------


@pytest.mark.points(1.5)
def test_every_rank_holds_the_sum(driver, measured):
    """Every rank holds the sum, in the tensor that it was given."""
    sums(driver, 3, [{"shape": [24], "seed": 1}, {"shape": [3999], "seed": 2, "late": 1}], measured)


@pytest.mark.points(1)
@pytest.mark.needs("test_every_rank_holds_the_sum")
def test_any_length(driver, measured):
    """Lengths that cannot be divided by the number of ranks, or are shorter."""
    lengths = (10, 101, 3, 2, 5)
    sums(driver, 4, [{"shape": [length], "seed": 10 + length} for length in lengths], measured)


@pytest.mark.points(0.75)
@pytest.mark.needs("test_every_rank_holds_the_sum")
def test_only_messages_between_two(driver):
    """Only messages between two ranks are used, no collective."""
    cases = [{"shape": [30], "seed": 3}]
    ran = driver.reduce(3, cases)
    reduced(ran, cases)
    for rank, calls in enumerate(ran["calls"]):
        other = next((call for call in calls if call["name"] not in MESSAGES), None)
        assert other is None, (
            f"Rank {rank} called {other['name']}{_line(other)}: a collective, in which every rank waits for all others.\n"
            "Whoever has received what it needs need not wait for anyone."
        )


@pytest.mark.points(1)
@pytest.mark.kind("determinism")
@pytest.mark.needs("test_every_rank_holds_the_sum")
def test_the_same_bits_on_all_ranks(driver):
    """All ranks hold the same sum, to the last bit."""
    world_size, case = 4, {"shape": [3000], "seed": 4, "late": 2}
    operands = driver.operands(world_size, case)
    orders = sum(operands[1:], operands[0]), sum(operands[:-1][::-1], operands[-1])
    assert fingerprint(orders[0]) != fingerprint(orders[1]), (
        "This check cannot tell one order of additions from another."
    )
    same_bits(reduced(driver.reduce(world_size, [case]), [case])[0])


def same_bits(held: list[Reduced]) -> None:
    """All ranks hold the same after a call."""
    first = held[0]["tensor"]
    for rank, other in enumerate(held):
        if fingerprint(first) != fingerprint(other["tensor"]):
            place = np.flatnonzero(first != other["tensor"])[0]
            fail(
                f"Ranks 0 and {rank} hold different sums: element {place} is {first[place]:.9g} on rank 0 and "
                f"{other['tensor'][place]:.9g} on rank {rank}.\n(a + b) + c is not always a + (b + c) in floating point. "
                "How many ranks should add up one and the same element?"
            )


# What it costs -------------------------------------------------------------------------------------


def sent(calls: list[dict[str, Any]], element: int) -> float:
    """How many elements of `element` bytes a rank sent."""
    return sum(call["bytes"] for call in calls if call["name"] == "send") / element


def elements_sent(driver: Any, world_size: int, shape: list[int], measured: dict[str, Any]) -> None:
    """No rank sends more than 2 (p - 1) / p * N elements, and 2 p."""
    cases, length = [{"shape": shape, "seed": 8}], math.prod(shape)
    seen = driver.observe("reduce", world_size, cases)
    ran = seen.value
    reduced(ran, cases)
    allowed = 2 * (world_size - 1) / world_size * length + 2 * world_size
    each = [sent(calls, 4) for calls in ran["calls"]]
    most = max(each)
    measured |= {f"elements sent, {world_size} ranks": round(most), "allowed": round(allowed)}
    table = "\n".join(f"  rank {rank}: {count:,.0f} elements" for rank, count in enumerate(each))
    assert most <= allowed, (
        f"Of a tensor of {length:,} elements (shape {tuple(shape)}) on {world_size} ranks, these were sent:\n{table}\n"
        f"Nobody needs to send more than 2 (p - 1) / p * N + 2 p = {allowed:,.0f}.\n"
        "Who sends what another rank could have added up, or sends it whole where a part would do?"
    )
    measured["network bytes"] = seen.loopback_bytes
    if ran["own network"] and seen.loopback_bytes > 1.25 * world_size * 4 * allowed + 2**18:
        fail(
            f"The messages account for {4 * sum(each):,.0f} bytes, yet {seen.loopback_bytes:,} bytes went over the "
            "network. Ranks have to talk through the process group alone."
        )


@pytest.mark.points(1.25)
@pytest.mark.kind("speedup")
@pytest.mark.needs("test_every_rank_holds_the_sum", "test_only_messages_between_two")
def test_elements_sent(driver, measured):
    """No rank sends more than 2 (p - 1) / p of the elements."""
    elements_sent(driver, 4, [200_001], measured)


@pytest.mark.points(1)
@pytest.mark.kind("speedup")
@pytest.mark.needs("test_every_rank_holds_the_sum", "test_only_messages_between_two")
def test_steps(driver, measured):
    """The sum is there after 2 (p - 1) steps."""
    world_size, cases = 6, [{"shape": [600], "seed": 5}]
    ran = driver.reduce(world_size, cases)
    reduced(ran, cases)
    needed, found = 2 * (world_size - 1), longest_chain(ran["calls"])
    measured |= {"steps": found, "needed": needed}
    # Where send and recv block, neighbours take turns, and a step of the ring is two.
    assert found <= 2 * needed, (
        f"{found} messages had to wait for one another: each was sent when the one before it had come. On {world_size} "
        f"ranks {needed} steps are enough (and twice as many count as right, for send and recv that take turns).\n"
        "In a step of the ring all ranks send and receive at the same time. Who waits here for whom, and for how much?"
    )


def longest_chain(ranks: list[list[dict[str, Any]]]) -> int:
    """The length of the longest chain of messages of which each was sent when the one before had been received.

    These are logical clocks (Lamport, Time, clocks, and the ordering of events in a distributed system, 1978).
    """
    events = []
    for rank, calls in enumerate(ranks):
        for call in calls:
            moment = call["start"] if call["name"] == "send" else call.get("end")
            if call["name"] in MESSAGES and moment is not None and "peer" in call:
                events.append((moment, rank, call))
    clocks, under_way = [0] * len(ranks), defaultdict(deque)
    for _, rank, call in sorted(events, key=lambda event: event[0]):
        tag = call.get("tag")
        if call["name"] == "send":
            under_way[rank, call["peer"], tag].append(clocks[rank] + 1)
        elif under_way[call["peer"], rank, tag]:
            clocks[rank] = max(clocks[rank], under_way[call["peer"], rank, tag].popleft())
    return max(clocks)


@pytest.mark.points(1)
@pytest.mark.kind("cleanup")
@pytest.mark.needs("test_every_rank_holds_the_sum", "test_only_messages_between_two")
def test_nothing_is_left_behind(driver):
    """Every message has been waited for, and nothing else is left."""
    cases = [{"shape": [400], "seed": 6}, {"shape": [33], "seed": 7, "late": 0}]
    seen = driver.observe("reduce", 3, cases)
    ran = seen.value
    reduced(ran, cases)
    for rank, begun in enumerate(ran["not waited for"]):
        assert not begun, (
            f"Rank {rank} returned with messages under way that it never waited for: {', '.join(begun[:4])}.\n"
            "The caller may change its tensor now, and with it what is still to be sent. And a request that is dropped "
            "may take its message with it."
        )
    threads = ", ".join(sorted(set(ran["threads"])))
    assert not threads, f"After the last call, threads were still running in the ranks: {threads}."
    assert_clean(seen)


### BEGIN HIDDEN TESTS


@pytest.mark.points(0.5)
@pytest.mark.needs("test_every_rank_holds_the_sum")
def test_one_rank(driver, measured):
    """One rank alone already holds the sum."""
    sums(driver, 1, [{"shape": [length], "seed": 20} for length in (9, 1, 0)], measured)


@pytest.mark.points(0.75)
@pytest.mark.needs("test_any_length")
def test_many_ranks(driver, measured):
    """Eight ranks, and five; long tensors, short ones, and none at all."""
    for world_size in (8, 5):
        lengths = (0, 1, world_size - 1, world_size, 64, 1003)
        cases = [{"shape": [length], "seed": 30 + length, "late": length % world_size} for length in lengths]
        sums(driver, world_size, cases, measured)


@pytest.mark.points(0.5)
@pytest.mark.needs("test_every_rank_holds_the_sum")
def test_other_types_and_shapes(driver, measured):
    """Other types of numbers, and tensors of more than one dimension."""
    cases = [
        {"shape": [50], "seed": 41, "dtype": "float64"},
        {"shape": [50], "seed": 42, "dtype": "int64"},
        {"shape": [50], "seed": 43, "dtype": "float16"},
        {"shape": [7, 5], "seed": 44},
        {"shape": [2, 3, 4], "seed": 45, "dtype": "float64"},
    ]
    sums(driver, 3, cases, measured)


@pytest.mark.points(0.25)
@pytest.mark.kind("speedup")
@pytest.mark.needs("test_elements_sent", "test_any_length")
def test_elements_sent_in_other_cases(driver, measured):
    """No rank sends more than its share: other numbers of ranks, short tensors, a matrix."""
    for world_size, shape in ((2, [50_001]), (5, [3]), (4, [3, 4000])):
        elements_sent(driver, world_size, shape, measured)


@pytest.mark.points(0.5)
@pytest.mark.needs("test_every_rank_holds_the_sum")
def test_large_tensors_one_after_another(driver, measured):
    """Large tensors, one after another, with a rank that comes late."""
    cases = [{"shape": [length], "seed": 50 + late, "late": late} for late, length in enumerate((400_000, 1, 250_003))]
    for held in reduced(sums(driver, 3, cases, measured), cases):
        same_bits(held)


### END HIDDEN TESTS
