"""Checks of exercise 04, seeding.

All seeds are fixed, so that a verdict is never luck. Numbers that repeat are found exactly, as equal float64.
Of 100,000 right solutions less than one would fail the few statistical bounds.
"""

import itertools
import math

import numpy as np
import pytest

from autograder.checks import assert_clean, expect_type, fail

# -- looking at draws -------------------------------------------------------------------------------------


def expect_numbers(value, shape, call):
    """The value, when it is a float64 array of this shape without gaps."""
    __tracebackhide__ = True
    if not isinstance(value, np.ndarray):
        fail(f"{call} returned {type(value).__name__}, not a numpy array.")
    if value.shape != shape:
        fail(f"{call} has the shape {value.shape}, not {shape}.")
    if value.dtype != np.float64:
        fail(f"{call} has the dtype {value.dtype}, not float64.")
    if not np.isfinite(value).all():
        fail(f"{call} has {np.count_nonzero(~np.isfinite(value))} values that are not finite.")
    return value


def expect_standard_normal(numbers, call):
    """Mean, spread and shape of a normal distribution, each with a false alarm rate below 1 in 10^7."""
    __tracebackhide__ = True
    x = np.sort(numbers, axis=None)
    n = x.size
    mean, deviation = float(x.mean()), float(x.std())
    expected = np.array([(1 + math.erf(v / math.sqrt(2))) / 2 for v in x.tolist()])
    gap = max(np.max(np.arange(1, n + 1) / n - expected), np.max(expected - np.arange(n) / n))
    seen = f"{call}: mean {mean:.4f}, standard deviation {deviation:.4f}, from {x[0]:.2f} to {x[-1]:.2f}."
    if abs(mean) > 5.5 / math.sqrt(n) or abs(deviation - 1) > 5.5 / math.sqrt(2 * n):
        fail(f"{seen}\nStandard normal numbers have mean 0 and standard deviation 1, up to chance.")
    if gap > 3.0 / math.sqrt(n):
        fail(f"{seen}\nTheir distribution is not the normal one (Kolmogorov-Smirnov distance {gap:.4f}).")


def show(numbers, start=0):
    """The first few numbers from a place on, for a message."""
    few = np.ravel(numbers)[start : start + 3]
    return " ".join(f"{v:.6f}" for v in few) + (" ..." if np.size(numbers) > start + 3 else "")


def in_common(a, b):
    """How many numbers of a are in b too, up to their sign."""
    return int(np.isin(np.abs(a), np.abs(b)).sum())


def expect_nothing_in_common(streams, hint):
    """No two of the named streams share numbers. Independent float64 draws share none.

    A handful is let pass: draws made in float32 may meet by chance.
    """
    __tracebackhide__ = True
    for (name, a), (other, b) in itertools.combinations(streams, 2):
        shared = in_common(a, b)
        if shared <= max(4, a.size // 200):
            continue
        i = int(np.argmax(np.isin(np.abs(a), np.abs(b))))
        j = int(np.argmax(np.abs(b) == np.abs(a[i])))
        width = max(len(name), len(other))
        fail(
            f"{name.capitalize()} and {other} share {shared} of {a.size} numbers:\n"
            f"  {name:{width}} from number {i}: {show(a, i)}\n"
            f"  {other:{width}} from number {j}: {show(b, j)}\n"
            f"{hint}"
        )


def expect_same(first, second, where, hint):
    """Two arrays, equal bit by bit; `where` says how each came about."""
    __tracebackhide__ = True
    if np.array_equal(first, second):
        return
    place = tuple(int(i) for i in np.argwhere(first != second)[0])
    what = f"row {place[0]}" if first.ndim == 2 else f"item {place[0]}"
    (one, a), (other, b) = zip(where, (first, second), strict=True)
    a, b = (a[place[0]], b[place[0]]) if first.ndim == 2 else (a[place[0] :], b[place[0] :])
    width = max(len(one), len(other))
    fail(
        f"The same call gave two results; the first difference is in {what}.\n"
        f"  {one:{width}}: {show(a)}\n  {other:{width}}: {show(b)}\n{hint}"
    )


def expect_seed_matters(first, second, what):
    """Before equality is asked for: two seeds give different results."""
    __tracebackhide__ = True
    if np.array_equal(first, second):
        fail(f"{what} gives the same for two seeds: {show(first)}\nDoes the seed reach the generators?")


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


def expect_same_batches(first, second, where, hint):
    """Two runs over the same batches, equal bit by bit."""
    __tracebackhide__ = True
    if np.array_equal(first, second):
        return
    one, other = where
    width = max(len(one), len(other))
    if not np.array_equal(first[:, INDEX], second[:, INDEX]):
        a, b = (" ".join(str(int(i)) for i in items[:8, INDEX]) for items in (first, second))
        orders = f"  {one:{width}}: {a} ...\n  {other:{width}}: {b} ..."
        fail(f"One seed, but two orders of the items.\n{orders}\n{hint}")
    for column, source in SOURCES.items():
        if not np.array_equal(first[:, column], second[:, column]):
            at = int(np.argmax(first[:, column] != second[:, column]))
            fail(
                f"One seed, the same order, but other numbers from {source}. Item {int(first[at, INDEX])}:\n"
                f"  {one:{width}}: {first[at, column]:.6f} (worker {int(first[at, WORKER])})\n"
                f"  {other:{width}}: {second[at, column]:.6f} (worker {int(second[at, WORKER])})\n{hint}"
            )
    fail(f"One seed, the same order and numbers, but other workers made the batches. {hint}")


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


def draws(driver, calls):
    """The arrays of several calls of draw, each looked at."""
    __tracebackhide__ = True
    arrays = expect_type(driver.draws(calls), list, "the arrays of draw")
    assert len(arrays) == len(calls), f"{len(calls)} calls of draw gave {len(arrays)} arrays."
    for (seed, n_workers, n_samples), array in zip(calls, arrays, strict=True):
        expect_numbers(array, (n_workers, n_samples), f"draw({seed}, {n_workers}, {n_samples})")
    return arrays


def rows_of(array, call):
    """The rows of an array, each with a name."""
    return [(f"row {row} of draw{call}", numbers) for row, numbers in enumerate(array)]


@pytest.mark.points(0.25)
def test_draw_gives_one_row_per_worker(submission):
    """draw gives a float64 array, one row per worker."""
    for seed, n_workers, n_samples in [(1, 3, 5), (2, 1, 1)]:
        array = submission.draw(seed, n_workers, n_samples, start_method="fork")
        expect_numbers(array, (n_workers, n_samples), f"draw({seed}, {n_workers}, {n_samples})")


@pytest.mark.points(0.5)
@pytest.mark.needs("test_draw_gives_one_row_per_worker")
def test_draw_is_standard_normal(submission):
    """The numbers are standard normal, in long rows too."""
    # Longer than a pipe holds: a worker with such a row ends only when somebody has read it.
    array = submission.draw(3, 3, 20_000, start_method="fork")
    expect_numbers(array, (3, 20_000), "draw(3, 3, 20000)")
    expect_standard_normal(array, "draw(3, 3, 20000)")


@pytest.mark.points(0.75)
@pytest.mark.needs("test_draw_gives_one_row_per_worker")
def test_rows_are_drawn_in_worker_processes(driver, measured):
    """Row r is drawn in worker process r."""
    n_workers, n_samples = 4, 20
    seen = driver.observe("draw_watched", 5, n_workers, n_samples)
    what = "the array of draw and the numbers drawn by its caller"
    array, drawn_by_caller = expect_type(seen.value, tuple[np.ndarray, np.ndarray], what)
    expect_numbers(array, (n_workers, n_samples), f"draw(5, {n_workers}, {n_samples})")
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
    for call, array in zip(calls, draws(driver, calls), strict=True):
        expect_nothing_in_common(rows_of(array, call), "Those two workers did not have streams of their own.")


@pytest.mark.points(0.5)
@pytest.mark.needs("test_draw_gives_one_row_per_worker")
def test_neighbouring_seeds_share_no_row(driver):
    """Seed 5 and its neighbours 6, 7 and 12 share no row."""
    calls = [(seed, 3, 1000) for seed in (5, 6, 7, 12)]
    rows = [rows_of(array, call) for call, array in zip(calls, draws(driver, calls), strict=True)]
    for one, other in itertools.combinations(rows, 2):  # rows of one seed have a check of their own
        for pair in itertools.product(one, other):
            expect_nothing_in_common(pair, "Two runs with different seeds should be independent.")


@pytest.mark.points(0.5)
@pytest.mark.kind("determinism")
@pytest.mark.needs("test_draw_gives_one_row_per_worker")
def test_draw_is_the_same_run_after_run(submission, driver):
    """The same seed gives the same array, run after run."""
    first = expect_numbers(submission.draw(21, 3, 50, start_method="fork"), (3, 50), "draw(21, 3, 50)")
    other = expect_numbers(submission.draw(22, 3, 50, start_method="fork"), (3, 50), "draw(22, 3, 50)")
    expect_seed_matters(first, other, "draw")
    second = expect_numbers(driver.draw_another_day(21, 3, 50), (3, 50), "draw(21, 3, 50)")
    expect_same(
        first,
        second,
        ("one run", "another run"),
        "Between the two, the time, the process ids, the salt of hash(), the global generators and the\n"
        "number of earlier calls have changed. Which of them do the streams depend on?",
    )


@pytest.mark.points(0.5)
@pytest.mark.kind("determinism")
@pytest.mark.needs("test_draw_gives_one_row_per_worker")
def test_draw_is_the_same_under_fork_and_spawn(submission, driver):
    """Both start methods give the same array."""
    forked = expect_numbers(submission.draw(8, 2, 50, start_method="fork"), (2, 50), "draw(8, 2, 50)")
    other = expect_numbers(submission.draw(9, 2, 50, start_method="fork"), (2, 50), "draw(9, 2, 50)")
    expect_seed_matters(forked, other, "draw")
    # Spawned workers are dear where each imports torch: the one call also has the second begin first.
    spawned = driver.draw_with_late_spawns(8, 2, 50)
    expect_numbers(spawned, (2, 50), "draw(8, 2, 50, start_method='spawn')")
    expect_same(
        forked,
        spawned,
        ("fork", "spawn"),
        "A forked worker inherits the parent's variables and generators, a spawned one starts afresh.\n"
        "(Also, worker 0 began later than worker 1 in the second run. That must change nothing.)",
    )


# -- noise ------------------------------------------------------------------------------------------------


def noises(driver, calls, *method):
    """The arrays of several calls of noise, each looked at."""
    __tracebackhide__ = True
    arrays = expect_type(driver.noises(calls, *method), list, "the arrays of noise")
    assert len(arrays) == len(calls), f"{len(calls)} calls of noise gave {len(arrays)} arrays."
    for (seed, n_items, n_workers), array in zip(calls, arrays, strict=True):
        expect_numbers(array, (n_items,), f"noise({seed}, {n_items}, {n_workers})")
    return arrays


def expect_items_of_their_own(array, call):
    """Nearly all numbers of a noise differ."""
    __tracebackhide__ = True
    different = np.unique(array).size
    assert different >= 0.99 * array.size, (
        f"noise{call} has only {different} different numbers: {show(np.sort(array))}\n"
        "Some items were drawn from the same stream."
    )


@pytest.mark.points(0.25)
def test_noise_is_standard_normal(driver):
    """noise gives a float64 array of standard normal numbers."""
    (numbers,) = noises(driver, [(4, 600, 2)])
    expect_standard_normal(numbers, "noise(4, 600, 2)")


@pytest.mark.points(0.5)
@pytest.mark.kind("determinism")
@pytest.mark.needs("test_noise_is_standard_normal")
def test_noise_is_the_same_for_every_number_of_workers(driver):
    """noise does not depend on the number of workers."""
    counts = (1, 2, 3, 5)
    calls = [(11, 23, n) for n in counts] + [(12, 23, 1)] + [(11, 3, n) for n in counts]
    arrays = noises(driver, calls)
    expect_seed_matters(arrays[0], arrays[4], "noise")
    for group in (arrays[:4], arrays[5:]):
        for n_workers, array in zip(counts[1:], group[1:], strict=True):
            expect_same(
                group[0],
                array,
                ("1 worker", f"{n_workers} workers"),
                "An item's number may depend on the seed and the item only, not on who draws it\n"
                "nor on what else that one draws.",
            )


@pytest.mark.points(0.5)
@pytest.mark.needs("test_noise_is_standard_normal")
def test_noise_of_the_next_seed_is_not_shifted(driver):
    """Every item has its own number, and seed 1 is not seed 0 shifted."""
    calls = [(0, 200, 2), (1, 200, 2), (2, 200, 3)]
    arrays = noises(driver, calls)
    for call, array in zip(calls, arrays, strict=True):
        expect_items_of_their_own(array, call)
    expect_nothing_in_common(
        [(f"noise of seed {seed}", array) for (seed, *_), array in zip(calls, arrays, strict=True)],
        "The items of one seed come back under another.",
    )


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
    first = np.concatenate(expect_epochs(driver.epochs(6, 24, 4, 2, 2), 2, 24, 4))
    other = np.concatenate(expect_epochs(driver.epochs(7, 24, 4, 2, 2), 2, 24, 4))
    if np.array_equal(first, other):
        fail("make_loader gives the same batches for two different seeds. Does the seed reach the loader?")
    second = np.concatenate(expect_epochs(driver.epochs(6, 24, 4, 2, 2, another_day=True), 2, 24, 4))
    expect_same_batches(
        first,
        second,
        ("one run", "another run"),
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
