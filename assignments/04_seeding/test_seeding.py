"""Checks of exercise 04, seeding.

All seeds are fixed, so that a verdict is never luck. Numbers that repeat are found exactly, as equal float64.
"""

import itertools
from dataclasses import dataclass

import numpy as np
import pytest

from autograder.checks import Run, assert_clean, assert_same_over, expect_type, fail, streams


@dataclass(frozen=True)
class Risks:
    """How often at most a right solution fails a check by chance: together in 1 of 100,000 gradings."""

    draw_normal: float = 1e-6
    noise_normal: float = 1e-6
    rows: float = 1e-6
    neighbours: float = 1e-6
    other_sizes: float = 2e-6
    next_noise: float = 1e-6
    other_noises: float = 2e-6
    # Spent on no bound: 56 pairs of a loader's generators are compared, whose seeds, if of 32 bits, may meet.
    loader: float = 1e-6


RISKS = Risks()

# -- looking at batches -----------------------------------------------------------------------------------

#: Columns of an item of the driver's data set.
INDEX, RNG, RANDOM, TORCH, WORKER = range(5)
SOURCES = {RNG: "the dataset's rng", RANDOM: "random", TORCH: "torch"}


def expect_epochs(value, n_epochs, n_items, batch_size):
    """Per epoch an array (n_items, 5), in the order of the loader; every item is there once."""
    __tracebackhide__ = True
    epochs = expect_type(value, list[list[list[list[float]]]], "epochs of batches of items")
    arrays = []
    assert len(epochs) == n_epochs, f"The loader was asked for {n_epochs} epochs and gave {len(epochs)}."
    for epoch in epochs:
        sizes = [len(batch) for batch in epoch]
        assert sizes == [batch_size] * (n_items // batch_size), (
            f"{n_items} items in batches of {batch_size}: the batches have the sizes {sizes}."
        )
        items = np.array([item for batch in epoch for item in batch])
        assert items.shape == (n_items, 5), "The loader gives the items another form than the dataset."
        assert sorted(items[:, INDEX]) == list(range(n_items)), (
            f"An epoch must give each item once; it gave {items[:, INDEX].astype(int).tolist()}."
        )
        arrays.append(items)
    return arrays


def expect_one_order(runs, other, hint):
    """A loader gives the same items and numbers under all conditions, and others for another seed."""
    __tracebackhide__ = True
    blind = "make_loader gives the same batches for two different seeds. Does the seed reach the loader?"
    assert_same_over(runs, other=other, blind=blind, hint=hint, tell=tell_batches)


def tell_batches(difference):
    """In what two runs over the same batches differ."""
    (one, first), (other, second) = ((run.condition, run.value) for run in (difference.first, difference.second))
    width = max(len(one), len(other))
    if not np.array_equal(first[:, INDEX], second[:, INDEX]):
        a, b = (" ".join(str(int(i)) for i in items[:8, INDEX]) for items in (first, second))
        return f"One seed, but two orders of the items.\n  {one:{width}}: {a} ...\n  {other:{width}}: {b} ..."
    for column, source in SOURCES.items():
        if not np.array_equal(first[:, column], second[:, column]):
            at = int(np.argmax(first[:, column] != second[:, column]))
            return (
                f"One seed, the same order, but other numbers from {source}. Item {int(first[at, INDEX])}:\n"
                f"  {one:{width}}: {first[at, column]:.6f} (worker {int(first[at, WORKER])})\n"
                f"  {other:{width}}: {second[at, column]:.6f} (worker {int(second[at, WORKER])})"
            )
    return "One seed, the same order and numbers, but other workers made the batches."


def expect_other_numbers(first, second, where, hint):
    """No source gave a number to an item of the second array that it had given to one of the first."""
    __tracebackhide__ = True
    for column, source in SOURCES.items():
        again = np.isin(second[:, column], first[:, column])
        if not again.any():
            continue
        late = second[np.argmax(again)]
        early = first[np.argmax(first[:, column] == late[column])]
        lines = [
            f"  {name}, worker {int(item[WORKER])}, item {int(item[INDEX])}: {item[column]:.6f}"
            for name, item in zip(where, (early, late), strict=True)
        ]
        fail(
            f"{np.count_nonzero(again)} of {len(second)} numbers from {source} had been drawn before.\n"
            + "\n".join(lines)
            + f"\n{hint}"
        )


# -- draw -------------------------------------------------------------------------------------------------


def expect_draw(value, seed, n_workers, n_samples):
    """The array of draw(seed, n_workers, n_samples)."""
    __tracebackhide__ = True
    return streams.expect_numbers(value, (n_workers, n_samples), f"draw({seed}, {n_workers}, {n_samples})")


def draws(driver, calls):
    """The arrays of several calls of draw, each looked at."""
    __tracebackhide__ = True
    arrays = expect_type(driver.draws(calls), list, "the arrays of draw")
    assert len(arrays) == len(calls), f"{len(calls)} calls of draw gave {len(arrays)} arrays."
    return [expect_draw(array, *call) for call, array in zip(calls, arrays, strict=True)]


def rows_of(array, call):
    """The rows of an array, each with a name."""
    return [streams.Stream(f"row {row} of draw{call}", numbers) for row, numbers in enumerate(array)]


def pairs_within(rows):
    """Pairs of rows of one call."""
    return [pair for own in rows for pair in itertools.combinations(own, 2)]


def pairs_across(calls, rows):
    """Pairs of rows of two seeds; one seed with more workers may well begin with the same rows."""
    named = itertools.combinations(zip(calls, rows, strict=True), 2)
    return [
        pair
        for (call, one), (another, other) in named
        if call[0] != another[0]
        for pair in itertools.product(one, other)
    ]


ROWS_HINT = "Those two workers did not have streams of their own."
SEEDS_HINT = "Two runs with different seeds should be independent."


def expect_one_result(what, runs, other, hint):
    """One result under all conditions, and another one for another seed."""
    __tracebackhide__ = True
    blind = f"{what} gives the same for two seeds: {streams.few(other)}\nDoes the seed reach the generators?"
    assert_same_over(runs, other=other, blind=blind, hint=hint, tell=streams.tell_numbers)


@pytest.mark.points(0.25)
def test_draw_gives_one_row_per_worker(submission):
    """draw gives a float64 array, one row per worker."""
    for seed, n_workers, n_samples in [(1, 3, 5), (2, 1, 1)]:
        expect_draw(submission.draw(seed, n_workers, n_samples, start_method="fork"), seed, n_workers, n_samples)


@pytest.mark.points(0.5)
@pytest.mark.needs("test_draw_gives_one_row_per_worker")
def test_draw_is_standard_normal(submission):
    """The numbers are standard normal, in long rows too."""
    # Longer than a pipe holds: a worker with such a row ends only when somebody has read it.
    array = expect_draw(submission.draw(3, 3, 20_000, start_method="fork"), 3, 3, 20_000)
    streams.assert_standard_normal(array, "draw(3, 3, 20000)", risk=RISKS.draw_normal)


@pytest.mark.points(0.75)
@pytest.mark.needs("test_draw_gives_one_row_per_worker")
def test_rows_are_drawn_in_worker_processes(driver, measured):
    """Row r is drawn in worker process r."""
    n_workers, n_samples = 4, 20
    seen = driver.observe("draw_watched", 5, n_workers, n_samples)
    what = "the array of draw and the numbers drawn by its caller"
    array, drawn_by_caller = expect_type(seen.value, tuple[np.ndarray, np.ndarray], what)
    expect_draw(array, 5, n_workers, n_samples)
    measured["processes"] = len(seen.processes)
    # The caller may be one of the workers.
    assert len(seen.processes) >= n_workers - 1, (
        f"draw with {n_workers} workers started {len(seen.processes)} processes.\n"
        "Each row is drawn in a worker process of its own (threads are not processes)."
    )
    own = [row for row in range(n_workers) if np.isin(array[row], drawn_by_caller).all()]
    assert len(own) <= 1, (
        f"{len(seen.processes)} processes were started, but rows {own} were drawn in the calling one.\n"
        "What should reach a worker is what it needs to draw its row, not the row."
    )


@pytest.mark.points(0.5)
@pytest.mark.needs("test_draw_gives_one_row_per_worker")
def test_no_row_repeats_another(driver):
    """No row, nor a shifted part of it, repeats in another."""
    calls = [(0, 4, 1000), (42, 3, 1000)]
    rows = list(map(rows_of, draws(driver, calls), calls))
    streams.assert_apart(pairs_within(rows), hint=ROWS_HINT, risk=RISKS.rows)


@pytest.mark.points(0.5)
@pytest.mark.needs("test_draw_gives_one_row_per_worker")
def test_neighbouring_seeds_share_no_row(driver):
    """Seed 5 and its neighbours 6, 7 and 12 share no row."""
    calls = [(seed, 3, 1000) for seed in (5, 6, 7, 12)]
    arrays = draws(driver, calls)
    streams.assert_seeds_apart({seed: array for (seed, *_), array in zip(calls, arrays, strict=True)}, hint=SEEDS_HINT)
    rows = list(map(rows_of, arrays, calls))  # those of one seed have a check of their own
    streams.assert_apart(pairs_across(calls, rows), hint=SEEDS_HINT, risk=RISKS.neighbours)


@pytest.mark.points(0.5)
@pytest.mark.kind("determinism")
@pytest.mark.needs("test_draw_gives_one_row_per_worker")
def test_draw_is_the_same_run_after_run(submission, driver):
    """The same seed gives the same array, run after run."""
    # Zero, which counts as no seed where code asks `if seed`.
    other = expect_draw(submission.draw(1, 3, 50, start_method="fork"), 1, 3, 50)
    runs = [
        Run("one run", expect_draw(submission.draw(0, 3, 50, start_method="fork"), 0, 3, 50)),
        Run("another run", expect_draw(driver.draw_another_day(0, 3, 50), 0, 3, 50)),
    ]
    expect_one_result(
        "draw",
        runs,
        other,
        "Between the two, the time, the process ids, the salt of hash(), the global generators and the\n"
        "number of earlier calls have changed. Which of them do the streams depend on?",
    )


@pytest.mark.points(0.5)
@pytest.mark.kind("determinism")
@pytest.mark.needs("test_draw_gives_one_row_per_worker")
def test_draw_is_the_same_under_fork_and_spawn(submission, driver):
    """Both start methods give the same array."""
    other = expect_draw(submission.draw(9, 2, 50, start_method="fork"), 9, 2, 50)
    runs = [
        Run("fork", expect_draw(submission.draw(8, 2, 50, start_method="fork"), 8, 2, 50)),
        # Spawned workers are dear where each imports torch: the one call also has the second begin first.
        Run("spawn", expect_draw(driver.draw_with_late_spawns(8, 2, 50), 8, 2, 50)),
    ]
    expect_one_result(
        "draw",
        runs,
        other,
        "A forked worker inherits the parent's variables and generators, a spawned one starts afresh.\n"
        "(Also, worker 0 began later than worker 1 in the second run. That must change nothing.)",
    )


# -- noise ------------------------------------------------------------------------------------------------


def expect_noise(value, seed, n_items, n_workers):
    """The array of noise(seed, n_items, n_workers)."""
    __tracebackhide__ = True
    return streams.expect_numbers(value, (n_items,), f"noise({seed}, {n_items}, {n_workers})")


def noises(driver, calls, *method):
    """The arrays of several calls of noise, each looked at."""
    __tracebackhide__ = True
    arrays = expect_type(driver.noises(calls, *method), list, "the arrays of noise")
    assert len(arrays) == len(calls), f"{len(calls)} calls of noise gave {len(arrays)} arrays."
    return [expect_noise(array, *call) for call, array in zip(calls, arrays, strict=True)]


def expect_noises_apart(calls, arrays, risk):
    """No item of a noise has the number of another one, and no two noises have anything in common."""
    __tracebackhide__ = True
    share = risk / (len(calls) + 1)
    named = [streams.Stream(f"noise{call}", array) for call, array in zip(calls, arrays, strict=True)]
    for noise in named:
        streams.assert_no_number_twice(noise, hint="Some items were drawn from the same stream.", risk=share)
    pairs = list(itertools.combinations(named, 2))
    streams.assert_apart(pairs, hint="The items of one seed come back under another.", risk=share)


@pytest.mark.points(0.25)
def test_noise_is_standard_normal(driver):
    """noise gives a float64 array of standard normal numbers."""
    (numbers,) = noises(driver, [(4, 600, 2)])
    streams.assert_standard_normal(numbers, "noise(4, 600, 2)", risk=RISKS.noise_normal)


@pytest.mark.points(0.5)
@pytest.mark.kind("determinism")
@pytest.mark.needs("test_noise_is_standard_normal")
def test_noise_is_the_same_for_every_number_of_workers(driver):
    """noise does not depend on the number of workers."""
    counts = (1, 2, 3, 5)
    calls = [(11, 23, n) for n in counts] + [(12, 23, 1)] + [(11, 3, n) for n in counts]
    arrays = noises(driver, calls)
    for group, other in ((arrays[:4], arrays[4]), (arrays[5:], arrays[4][:3])):
        expect_one_result(
            "noise",
            [Run(f"{n} worker{'s' * (n > 1)}", array) for n, array in zip(counts, group, strict=True)],
            other,
            "An item's number may depend on the seed and the item only, not on who draws it\n"
            "nor on what else that one draws.",
        )


@pytest.mark.points(0.5)
@pytest.mark.needs("test_noise_is_standard_normal")
def test_noise_of_the_next_seed_is_not_shifted(driver):
    """Every item has its own number, and seed 1 is not seed 0 shifted."""
    calls = [(0, 200, 2), (1, 200, 2), (2, 200, 3)]
    expect_noises_apart(calls, noises(driver, calls), RISKS.next_noise)


# -- the data loader --------------------------------------------------------------------------------------


@pytest.mark.points(0.25)
def test_loader_gives_every_item_once_and_shuffled(driver, measured):
    """The loader gives every item once, shuffled, with num_workers processes."""
    seen = driver.observe("epochs", 1, 48, 4, 3, linger=True)
    (items,) = expect_epochs(seen.value, 1, 48, 4)
    measured["processes"] = seen.peak_processes
    assert seen.peak_processes == 3, f"With num_workers=3 the loader had {seen.peak_processes} processes."
    order = items[:, INDEX].astype(int).tolist()
    assert order != sorted(order), f"The items are not shuffled: they came as {order[:8]} ..."


@pytest.mark.points(0.5)
@pytest.mark.kind("determinism")
@pytest.mark.needs("test_loader_gives_every_item_once_and_shuffled")
def test_batches_are_the_same_run_after_run(driver):
    """The same seed gives the same batches in the same order, run after run."""
    other = np.concatenate(expect_epochs(driver.epochs(1, 24, 4, 2, 2), 2, 24, 4))
    runs = [
        Run(condition, np.concatenate(expect_epochs(driver.epochs(0, 24, 4, 2, 2, another_day=late), 2, 24, 4)))
        for condition, late in (("one run", False), ("another run", True))
    ]
    expect_one_order(
        runs,
        other,
        "Between the two, the time, the process ids and the state of all global generators have changed.\n"
        "What decides on the order, and what on each worker's numbers?",
    )


@pytest.mark.points(0.5)
@pytest.mark.needs("test_loader_gives_every_item_once_and_shuffled")
def test_no_two_workers_draw_the_same(driver):
    """Two workers of the loader never draw the same numbers."""
    (items,) = expect_epochs(driver.epochs(3, 48, 4, 3), 1, 48, 4)
    for one, other in itertools.combinations(range(3), 2):
        expect_other_numbers(
            items[items[:, WORKER] == one],
            items[items[:, WORKER] == other],
            ("in one epoch", "in the same epoch"),
            "Workers draw the same when they are seeded alike, or when each has a copy of one generator.",
        )


@pytest.mark.points(0.5)
@pytest.mark.needs("test_loader_gives_every_item_once_and_shuffled")
def test_the_second_epoch_differs_from_the_first(driver):
    """Epoch 2 has another order and other numbers than epoch 1."""
    for num_workers in (1, 2):
        one, two = expect_epochs(driver.epochs(9, 24, 4, num_workers, 2), 2, 24, 4)
        assert not np.array_equal(one[:, INDEX], two[:, INDEX]), (
            f"Epoch 2 gives the items in the order of epoch 1: {one[:8, INDEX].astype(int).tolist()} ..."
        )
        expect_other_numbers(
            one,
            two,
            ("epoch 1", "epoch 2"),
            "Every epoch starts its workers anew. What in a worker tells one epoch from the next?",
        )


# -- cleanup ----------------------------------------------------------------------------------------------


@pytest.mark.points(0.5)
@pytest.mark.kind("cleanup")
@pytest.mark.needs("test_draw_gives_one_row_per_worker", "test_noise_is_standard_normal")
def test_nothing_is_left_behind(submission, driver):
    """Every process has ended when draw and noise return."""
    for seen in (
        submission.observe("draw", 5, 3, 100, start_method="fork"),
        driver.observe("noises", [(5, 30, 3)]),
    ):
        _ = seen.value  # it must not have raised
        assert_clean(seen)
