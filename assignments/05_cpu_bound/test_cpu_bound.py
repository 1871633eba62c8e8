"""Checks of exercise 05, cpu_bound."""

import random
from dataclasses import replace

import pytest

from autograder.checks import SubmissionTimeoutError, assert_clean, expect_type, fail, fingerprint

#: Threshold of the exercise, and a milder one where each item is only some microseconds long.
NEEDED = 0.75
NEEDED_TINY = 0.6


def even(rng):
    """Equal items: start angles, each for the same number of steps."""
    return [(rng.uniform(0.1, 3.0), 12_000) for _ in range(72)]


def uneven(rng, dearest_first):
    """Costs from 1 to 100, sorted: most of the cost is in few of the items.

    Where the dearest come last, a steeper rise would ask for smaller pieces than the exercise does.
    """
    power = 3 if dearest_first else 2
    items = [(rng.uniform(0.1, 3.0), 90 + 8_910 * index**power // 299**power) for index in range(300)]
    return items[::-1] if dearest_first else items


def list_of(value, n):
    """The list that parallel_map returned."""
    values = expect_type(value, list[object], "a list")
    assert len(values) == n, f"parallel_map returned {len(values)} values for {n} items."
    return values


def squares(value, n, told):
    """The list of squares that was to come back."""
    values = list_of(value, n)
    assert [index * index for index in range(n)] == values, (
        f"The squares of 0 to {n - 1} were to be computed; {told}. They came back as {values}.\n"
        "Values belong in the order of the items, each once, whichever process is ready first."
    )
    return values


def raised(seen):
    """The exception that parallel_map raised, in words."""
    assert seen.error is not None, f"An item raises, and parallel_map returned {seen.value!r:.200} as if all were well."
    return f"{seen.error.type}: {seen.error.message}"


def assert_clean_after_error(seen):
    """No process, thread or file was left by a call that raised.

    An exception keeps the frames that it came through, and so the semaphores of a pool that has ended, for as long as it
    is on its way itself.
    """
    assert_clean(replace(seen, leftovers=replace(seen.leftovers, segments=())))


def in_a_crowd(driver, n_items, n_workers, measured):
    """Processes that computed items, where every item waits for more company than there should be."""
    seen = driver.observe("map_in_a_crowd", n_items, n_workers)
    what = "the values of the function, unchanged"
    spans = list_of(expect_type(seen.value, list[tuple[int, float, float]], what), n_items)
    pids = {pid for pid, _, _ in spans}
    outside = {process.pid for process in seen.processes} | {seen.caller}
    assert pids <= outside, f"Items were said to be computed in processes {sorted(pids - outside)}, which nobody saw."
    at_once = max(len({pid for pid, begin, end in spans if begin <= now < end}) for _, now, _ in spans)
    measured.update({"processes that computed": len(pids), "at once": at_once})
    # Seen from outside; a process that only helps (a manager) computes no item, and then it may be there.
    outside_says = min(seen.peak_processes, len(pids - {seen.caller}))
    assert max(at_once, outside_says) <= n_workers, (
        f"{n_workers} worker(s) were asked for, and {max(at_once, len(pids))} processes computed.\n"
        "This machine was said to have 16 cores. Where does the number of your processes come from, and is the process "
        "that calls parallel_map one of them?"
    )
    return seen, pids


@pytest.mark.points(1)
def test_values_come_in_order(submission, driver):
    """The values are those of the plain loop, in the order of the items."""
    items = [(random.uniform(0.1, 3.0), random.randint(1, 400)) for _ in range(37)]
    expected = driver.expected(driver.trajectory, items)
    values = list_of(submission.parallel_map(driver.trajectory, items, 3), len(items))
    different = [index for index, (one, other) in enumerate(zip(expected, values, strict=True)) if one != other]
    assert not different, (
        f"{len(different)} of {len(items)} values differ from [function(x) for x in items]. The first is value "
        f"{different[0]}: expected {expected[different[0]]}, found {values[different[0]]}."
    )
    squares(driver.map_with_one_late(12, 0, 2), 12, "the process with item 0 was made to answer last")


@pytest.mark.points(1)
@pytest.mark.kind("determinism")
def test_the_result_is_always_the_same(driver):
    """The same result for every number of workers, whichever item is late."""
    one, other = driver.expected(driver.same, [0, 1, 4]), driver.expected(driver.same, [0, 4, 1])
    assert fingerprint(one) != fingerprint(other), "This check cannot tell one order from another."
    first = None
    for n_workers, late in ((1, -1), (2, 0), (2, 24), (3, 12), (3, -1)):
        told = f"with {n_workers} workers and " + (f"item {late} late" if late >= 0 else "no item late")
        values = squares(driver.map_with_one_late(25, late, n_workers), 25, told)
        first = first or fingerprint(values)
        assert fingerprint(values) == first, f"The result {told} is not the one with one worker."


@pytest.mark.points(1)
def test_the_first_failing_item_is_raised(driver):
    """The exception of the first failing item is raised, also when a later one fails earlier."""
    found = raised(driver.observe("map_with_failures", 40, {3: "ValueError", 36: "KeyError"}, 3, 2))
    assert found != "KeyError: 'item 36'", (
        "Items 3 and 36 raise; item 36 was made to fail first in time, and its exception was raised.\n"
        "The first failing item in the order of the items counts. When can you know that no earlier item will fail?"
    )
    assert found == "ValueError: item 3 is bad", (
        f"Item 3 raises 'ValueError: item 3 is bad', and parallel_map raised {found!r}."
    )


@pytest.mark.points(1)
@pytest.mark.kind("cleanup")
def test_processes_compute_and_no_more_than_asked(driver, measured):
    """Processes do the work, at most n_workers of them at a time."""
    seen, pids = in_a_crowd(driver, 6, 2, measured)
    if pids == {seen.caller}:
        threads = f", in {seen.peak_threads} further threads" if seen.peak_threads else ""
        fail(
            f"All items were computed by the process that called parallel_map{threads}: no other process took part.\n"
            "In one Python process only one thread computes at a time."
        )


@pytest.mark.points(0.75)
@pytest.mark.kind("cleanup")
def test_nothing_is_left_behind(submission, driver):
    """No process is left when parallel_map returns, or raises."""
    seen = submission.observe("parallel_map", driver.same, list(range(10)), 2)
    assert sorted(list_of(seen.value, 10), key=repr) == list(range(10)), (
        f"The values were not those of the items, so this cannot be judged: {seen.value}."
    )
    assert_clean(seen)
    seen = driver.observe("map_with_failures", 10, {4: "ValueError"}, -1, 2)
    raised(seen)
    assert_clean_after_error(seen)


@pytest.mark.points(1)
@pytest.mark.kind("speedup")
@pytest.mark.needs("test_values_come_in_order")
def test_even_work_is_fast(submission, driver, yardstick, speedup):
    """Even work: at least 0.75 of the attainable speedup with 4 workers."""
    speedup(
        case=even,
        student=lambda items, n=4: driver.observe("spread", driver.trajectory, items, n),
        yardstick=lambda items, method, n=4: yardstick.observe("run", driver.trajectory, items, n, method),
        needed=NEEDED,
        curve=True,
    )


@pytest.mark.points(1)
@pytest.mark.kind("speedup")
@pytest.mark.needs("test_values_come_in_order")
def test_uneven_work_is_fast(submission, driver, yardstick, speedup):
    """Uneven work, the dearest items first: at least 0.75 of the attainable speedup with 4 workers."""
    speedup(
        case=lambda rng: uneven(rng, dearest_first=True),
        student=lambda items: driver.observe("spread", driver.trajectory, items, 4),
        yardstick=lambda items, method: yardstick.observe("run", driver.trajectory, items, 4, method),
        needed=NEEDED,
    )
