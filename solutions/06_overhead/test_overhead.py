"""Checks of exercise 06, overhead."""

import random
from dataclasses import dataclass, replace

import pytest

from autograder.checks import assert_clean, expect_type, fail, fingerprint

#: Share of the attainable speedup that work which pays must reach.
NEEDED = 0.75
#: What small work may take: so many times the plain loop's time, and so many seconds.
TIMES, PLUS = 1.5, 0.005


@dataclass
class Twice:
    """What two calls of adaptive_map returned, and how often each item was computed in either."""

    results: tuple[list[object], list[object]]
    calls: tuple[list[int], list[int]]


def items_of(driver, rng, costs):
    """Items with the costs given, in generations of some 50 ns each. The items do not show what they cost."""
    return driver.items_of(rng.uniform(0.1, 0.9), [rng.randrange(1_000) for _ in costs], costs)


def list_of(value, n):
    """The list that adaptive_map returned."""
    values = expect_type(value, list[object], "a list")
    assert len(values) == n, f"adaptive_map returned {len(values)} values for {n} items."
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
    """The exception that adaptive_map raised, in words."""
    assert seen.error is not None, f"An item raises, and adaptive_map returned {seen.value!r:.200} as if all were well."
    return f"{seen.error.type}: {seen.error.message}"


def assert_clean_after_error(seen):
    """No process, thread or file was left by a call that raised.

    An exception keeps the frames that it came through, and so the semaphores of a pool that has ended, for as long as it
    is on its way itself.
    """
    assert_clean(replace(seen, leftovers=replace(seen.leftovers, segments=())))


def in_a_crowd(driver, n_items, max_workers, measured):
    """Processes that computed items, where every item waits for more company than there should be."""
    seen = driver.observe("map_in_a_crowd", n_items, max_workers)
    what = "the values of the function, unchanged"
    spans = list_of(expect_type(seen.value, list[tuple[int, float, float]], what), n_items)
    pids = {pid for pid, _, _ in spans}
    outside = {process.pid for process in seen.processes} | {seen.caller}
    assert pids <= outside, f"Items were said to be computed in processes {sorted(pids - outside)}, which nobody saw."
    at_once = max(len({pid for pid, begin, end in spans if begin <= now < end}) for _, now, _ in spans)
    measured.update({"processes that computed": len(pids), "at once": at_once})
    # Seen from outside; a process that only helps (a manager) computes no item, and then it may be there.
    outside_says = min(seen.peak_processes, len(pids - {seen.caller}))
    assert max(at_once, outside_says) <= max_workers, (
        f"{max_workers} worker(s) were asked for, and {max(at_once, outside_says)} processes computed at once.\n"
        "This machine was said to have 16 cores. Where does the number of your processes come from, and does the process "
        "that calls adaptive_map go on computing when the others have begun?"
    )
    return seen, pids


def no_bad_deal(submission, driver, yardstick, speedup, case, hint):
    """Small work takes little more than the plain loop does."""
    speedup.overhead(
        case=case,
        student=lambda items: driver.observe(
            "map_by_the_clock", submission.adaptive_map, driver.population, items, 4, own_time=True
        ),
        loop=lambda items: yardstick.observe("loop", driver.population, items),
        times=TIMES,
        plus=PLUS,
        hint=hint,
    )


def pays(submission, driver, yardstick, speedup, case, before=()):
    """Large work gains by processes, on a machine said to have 16 cores: fewer here cost time that is taken out."""
    speedup(
        case=case,
        student=lambda items: driver.observe(
            "map_by_the_clock", submission.adaptive_map, driver.population, items, 4, own_time=False, before=before
        ),
        yardstick=lambda items, method: yardstick.observe("run", driver.population, items, 4, method),
        needed=NEEDED,
    )


@pytest.mark.points(1)
def test_values_come_in_order(submission, driver):
    """The values are those of the plain loop, in the order of the items."""
    for costs in ([50] * 37, [100_000] * 12):
        items = items_of(driver, random, costs)
        expected = driver.expected(driver.population, items)
        values = list_of(submission.adaptive_map(driver.population, items, 3), len(items))
        different = [index for index, (one, other) in enumerate(zip(expected, values, strict=True)) if one != other]
        assert not different, (
            f"{len(different)} of {len(items)} values differ from [function(x) for x in items]. The first is value "
            f"{different[0]}: expected {expected[different[0]]}, found {values[different[0]]}."
        )
    squares(driver.map_with_one_late(30, 18, 2), 30, "the process with item 18 was made to answer last")


@pytest.mark.points(1)
def test_the_first_failing_item_is_raised(driver):
    """The exception of the first failing item is raised, also when a later one fails earlier."""
    found = raised(driver.observe("map_with_failures", 36, {18: "ValueError", 33: "KeyError"}, 18, 2))
    assert found != "KeyError: 'item 33'", (
        "Items 18 and 33 raise; item 33 was made to fail first in time, and its exception was raised.\n"
        "The first failing item in the order of the items counts. When can you know that no earlier item will fail?"
    )
    assert found == "ValueError: item 18 is bad", (
        f"Item 18 raises 'ValueError: item 18 is bad', and adaptive_map raised {found!r}."
    )


@pytest.mark.points(0.75)
@pytest.mark.kind("cleanup")
def test_processes_compute_and_no_more_than_asked(driver, measured):
    """Processes do the work that pays, at most max_workers of them at a time."""
    seen, pids = in_a_crowd(driver, 6, 2, measured)
    if pids == {seen.caller}:
        threads = f", in {seen.peak_threads} further threads" if seen.peak_threads else ""
        fail(
            f"Six items of 50 ms and more were computed by the process that called adaptive_map{threads}: no other "
            "process took part.\nIn one Python process only one thread computes at a time."
        )


@pytest.mark.points(0.75)
@pytest.mark.kind("cleanup")
def test_nothing_is_left_behind(submission, driver):
    """No process is left when adaptive_map returns, or raises."""
    seen = driver.observe("map_with_one_late", 16, -1, 2)
    assert sorted(list_of(seen.value, 16), key=repr) == sorted((index * index for index in range(16)), key=repr), (
        f"The values were not those of the items, so this cannot be judged: {seen.value}."
    )
    assert_clean(seen)
    seen = driver.observe("map_with_failures", 16, {12: "ValueError"}, -1, 2)
    raised(seen)
    assert_clean_after_error(seen)
    seen = submission.observe("adaptive_map", driver.fails_at_once, list(range(10)), 2)
    raised(seen)
    assert_clean_after_error(seen)


@pytest.mark.points(1)
@pytest.mark.kind("speedup")
@pytest.mark.needs("test_values_come_in_order")
def test_small_work_is_no_bad_deal(submission, driver, yardstick, speedup):
    """Eight items of a tenth of a millisecond: at most 1.5 times the plain loop and 5 ms."""
    no_bad_deal(
        submission,
        driver,
        yardstick,
        speedup,
        case=lambda rng: items_of(driver, rng, [2_000] * 8),
        hint="All of it is less work than starting one process. What is done here before it is known that it pays?",
    )


@pytest.mark.points(1)
@pytest.mark.kind("speedup")
@pytest.mark.needs("test_values_come_in_order")
def test_large_work_pays(submission, driver, yardstick, speedup):
    """12,000 items of some 50 microseconds: at least 0.75 of the attainable speedup with 4 workers."""
    pays(submission, driver, yardstick, speedup, case=lambda rng: items_of(driver, rng, [1_000] * 12_000))


### BEGIN HIDDEN TESTS
@pytest.mark.points(0.5)
def test_small_cases(submission, driver):
    """No items, one item, fewer items than workers, one worker, values of every kind."""
    assert submission.adaptive_map(driver.same, [], 4) == [], "No items should give []."
    for items, max_workers in (([7], 4), ([1, 2, 3], 8), (list(range(20)), 1)):
        values = expect_type(submission.adaptive_map(driver.same, items, max_workers), list[int], "a list of numbers")
        assert items == sorted(values), (
            f"{len(items)} items and {max_workers} workers gave {values} in place of {items}."
        )
    items = [None, False, "", (), {"x": 1.5}, [1, (2, 3)], b"\x00", 10**30, None]
    values = list_of(submission.adaptive_map(driver.same, items, 2), len(items))
    assert sorted(map(repr, items)) == sorted(map(repr, values)), f"The values {items} came back as {values}."
    two = items_of(driver, random, [1_500_000] * 2)
    values = list_of(submission.adaptive_map(driver.population, two, 8), 2)
    assert sorted(driver.expected(driver.population, two)) == sorted(values, key=float), (
        "Two dear items and 8 workers gave other values than the plain loop."
    )


@pytest.mark.points(0.5)
@pytest.mark.kind("determinism")
def test_the_result_is_always_the_same(driver):
    """The same result for every number of workers, whichever item is late."""
    one, other = driver.expected(driver.same, [0, 1, 4]), driver.expected(driver.same, [0, 4, 1])
    assert fingerprint(one) != fingerprint(other), "This check cannot tell one order from another."
    first = None
    for max_workers, late in ((1, -1), (2, 20), (3, 15), (3, -1)):
        told = f"with {max_workers} workers and " + (f"item {late} late" if late >= 0 else "no item late")
        values = squares(driver.map_with_one_late(24, late, max_workers), 24, told)
        first = first or fingerprint(values)
        assert fingerprint(values) == first, f"The result {told} is not the one with one worker."


@pytest.mark.points(0.5)
@pytest.mark.needs("test_the_first_failing_item_is_raised")
def test_other_failures_are_raised(submission, driver):
    """Other failures: of cheap items, of the last item, of every item, an exception class of one's own."""
    found = raised(submission.observe("adaptive_map", driver.fails_at_once, list(range(10)), 4))
    assert found == "ValueError: item 5 is bad", (
        f"Items 5 and 7 of ten cheap ones fail, and {found!r} was raised in place of 'ValueError: item 5 is bad'."
    )
    for failing, expected in (
        ({19: "ExtinctError"}, "ExtinctError: population 19 died out in generation 7"),
        (dict.fromkeys(range(20), "ValueError"), "ValueError: item 0 is bad"),
    ):
        seen = driver.observe("map_with_failures", 20, failing, -1, 3)
        found = raised(seen)
        assert found == expected, f"{expected!r} was to be raised (items {sorted(failing)} fail), and it was {found!r}."
        assert_clean_after_error(seen)


@pytest.mark.points(0.5)
def test_every_item_is_computed_once_in_every_call(driver):
    """Each call computes each item exactly once: nothing is remembered, nothing done twice."""
    for milliseconds in (0.0, 12.0):
        seen = expect_type(driver.map_twice(10, milliseconds, 2), Twice, "two lists of ten values")
        for which, values, counts in zip(("first", "second"), seen.results, seen.calls, strict=True):
            assert [1] * 10 == counts, (
                f"adaptive_map was called twice with the same items. In the {which} call the function was called "
                f"{counts} times for items 0 to 9, and once each is asked for."
            )
            assert [f"{which} {index}" for index in range(10)] == sorted(values, key=repr), (
                f"The function answered with the number of the call, and the {which} call returned {values!r:.200}."
            )


@pytest.mark.points(0.5)
@pytest.mark.kind("speedup")
@pytest.mark.needs("test_values_come_in_order")
def test_many_cheap_items_are_no_bad_deal(submission, driver, yardstick, speedup):
    """1,200 items of a fraction of a microsecond: at most 1.5 times the plain loop and 5 ms."""
    no_bad_deal(
        submission,
        driver,
        yardstick,
        speedup,
        case=lambda rng: items_of(driver, rng, [1] * 1_200),
        hint="Many items, and little work all the same. What does their number say of the work?",
    )


@pytest.mark.points(0.5)
@pytest.mark.kind("speedup")
@pytest.mark.needs("test_values_come_in_order")
def test_a_dear_first_item_is_no_bad_deal(submission, driver, yardstick, speedup):
    """The first item takes 2 ms, and 300 others next to nothing: at most 1.5 times the plain loop and 5 ms."""
    no_bad_deal(
        submission,
        driver,
        yardstick,
        speedup,
        case=lambda rng: items_of(driver, rng, [40_000] + [1] * 300),
        hint="What does the first item say of the others?",
    )


@pytest.mark.points(1)
@pytest.mark.kind("speedup")
@pytest.mark.needs("test_values_come_in_order")
def test_uneven_work_pays(submission, driver, yardstick, speedup):
    """Two cheap items, and then costs that fall from 100 to 1: at least 0.75 of the attainable speedup with 4 workers."""
    falling = [3_200 + 316_800 * index**3 // 299**3 for index in range(299, -1, -1)]
    pays(submission, driver, yardstick, speedup, case=lambda rng: items_of(driver, rng, [1_000, 1_000, *falling]))


@pytest.mark.points(0.5)
@pytest.mark.kind("speedup")
@pytest.mark.needs("test_values_come_in_order")
def test_few_dear_items_pay(submission, driver, yardstick, speedup):
    """Nine items of a twelfth of a second, after a call with small work: 0.75 of the attainable speedup, 4 workers."""
    # Nine: three rounds for four workers, and also for one who has computed the first item to see how dear it is.
    pays(
        submission,
        driver,
        yardstick,
        speedup,
        case=lambda rng: items_of(driver, rng, [1_600_000] * 9),
        before=items_of(driver, random, [2_000] * 8),
    )


### END HIDDEN TESTS
