"""Checks of exercise 07, matmul: a matrix product by several processes that share the operands' memory."""

from dataclasses import replace

import numpy as np
import pytest

from autograder.checks import (
    SubmissionCrashedError,
    SubmissionTimeoutError,
    assert_clean,
    cannot_measure,
    expect_type,
    fail,
    shorten,
)

#: The part of the attainable speedup that is asked for: less than elsewhere, since memory is slow and shared by all cores.
NEEDED = 0.6
MIB = 1 << 20

GONE = (
    "Had the result been in shared memory that was given back before anyone could read it? An array over a segment is "
    "only a view: when the segment goes, so does what is in it."
)


def allowed(a, b):
    """How far a product may be from another one: sums of `inner` terms, rounded in whatever order (Higham, 2002)."""
    return 4 * max(1, a.shape[1]) * np.finfo(np.float64).eps * np.abs(a) @ np.abs(b)


def right(found, a, b, what):
    """The product of a and b was found."""
    wanted = a @ b
    if not isinstance(found, np.ndarray):
        fail(f"For {what} a numpy array was expected, and {shorten(found)} was returned.")
    assert found.dtype == np.float64, f"For {what} the result is of type {found.dtype}, in place of float64."
    assert found.shape == wanted.shape, (
        f"For {what} the result has the shape {found.shape}, in place of {wanted.shape}."
    )
    with np.errstate(invalid="ignore"):
        wrong = ~(np.abs(found - wanted) <= allowed(a, b))
    if wrong.any():
        row, column = (int(place) for place in np.argwhere(wrong)[0])
        rows, columns = np.flatnonzero(wrong.any(axis=1)), np.flatnonzero(wrong.any(axis=0))
        fail(
            f"For {what}, {int(wrong.sum())} of {wrong.size} elements are wrong, in rows {rows[0]} to {rows[-1]} and columns "
            f"{columns[0]} to {columns[-1]}. Element [{row}, {column}] should be {wanted[row, column]:.9g} and is "
            f"{found[row, column]:.9g}.\nWhich block do they belong to, and who should have written it?"
        )


def described(shape, n_workers, block):
    """A call in words."""
    rows, inner, columns = shape
    return f"({rows} x {inner}) @ ({inner} x {columns}) in blocks of {block} with {n_workers} worker(s)"


def products(driver, cases):
    """The product is right in each of the cases, each a seed, a shape, a number of workers, and a block."""
    for seed, shape, n_workers, block in cases:
        what = described(shape, n_workers, block)
        right(asked(lambda: driver.multiply(seed, shape, n_workers, block), what), *driver.operands(seed, *shape), what)


def asked(call, what):
    """What a call returned; a crash and a hang are explained."""
    try:
        return call()
    except SubmissionCrashedError as crash:
        fail(f"For {what} there was no result to be read. {crash}\n{GONE}")
    except SubmissionTimeoutError as timeout:
        fail(f"For {what} there was no result in time. {timeout}\nWho waits, for whom, and will they ever answer?")


@pytest.mark.points(1.5)
def test_the_product_is_right(driver):
    """The product is right."""
    products(driver, [(1, (40, 30, 50), 2, 10), (2, (64, 64, 64), 4, 16), (3, (30, 30, 30), 1, 15)])


@pytest.mark.points(1)
@pytest.mark.needs("test_the_product_is_right")
def test_any_sizes(driver):
    """Sizes that are no multiple of the block, and matrices that are far from square."""
    cases = [(4, (47, 31, 53), 3, 10), (5, (200, 3, 7), 2, 16), (6, (3, 500, 5), 2, 4), (7, (10, 12, 14), 2, 100)]
    products(driver, cases)


@pytest.mark.points(1)
@pytest.mark.kind("cleanup")
@pytest.mark.needs("test_the_product_is_right")
def test_n_workers_compute(driver, measured):
    """Processes compute, n_workers of them and no more at a time."""
    computing(driver, 3, measured)


def computing(driver, n_workers, measured):
    """The processes of a call with much to do, on a machine that was said to have 16 cores."""
    shape, block = (1200, 1200, 1200), 120
    seen = driver.observe("multiply_with_slow_starts", 8, shape, n_workers, block)
    right(seen.value, *driver.operands(8, *shape), described(shape, n_workers, block))
    most = max((process.cpu_seconds for process in seen.processes), default=0.0)
    # A process that only helps (a manager of segments) is no worker.
    busy = [process for process in seen.processes if process.cpu_seconds >= most / 3]
    at_once = min(seen.peak_processes, len(busy))
    measured |= {"processes": len(seen.processes), "at once": at_once}
    threads = f" in {seen.peak_threads} further threads," if seen.peak_threads else ""
    assert seen.processes, (
        f"All blocks were computed by the process that called block_matmul,{threads} and no other took part.\n"
        "Whose memory would then have to be shared?"
    )
    # The caller may be one of the workers.
    assert len(seen.processes) >= n_workers - 1, (
        f"{n_workers} workers were asked for, with 100 blocks to compute, and {len(seen.processes)} processes were started."
    )
    # A caller that is one of the workers has its share, and a busy machine may let it have more: but not nearly all.
    by_others = sum(process.cpu_seconds for process in seen.processes) / max(seen.cpu_seconds, 1e-9)
    measured["computed by others"] = round(by_others, 2)
    assert by_others >= (n_workers - 1) / n_workers / 3, (
        f"{len(seen.processes)} processes were started, and did {by_others:.0%} of the computing. The rest was done by the "
        "process that called block_matmul.\nWhat did the others do?"
    )
    assert at_once <= n_workers, (
        f"{n_workers} workers were asked for, and {at_once} processes computed at the same time.\n"
        "This machine was said to have 16 cores. Where does the number of your processes come from?"
    )


@pytest.mark.points(1.5)
@pytest.mark.needs("test_the_product_is_right")
def test_operands_do_not_travel(driver, measured):
    """The workers see the operands in shared memory; they are sent to nobody."""
    stays_where_it_is(driver, (300, 4000, 300), 50, measured)


def stays_where_it_is(driver, shape, block, measured):
    """Little is written to pipes and files, and the operands are in shared memory."""
    rows, inner, columns = shape
    operands, result = 8 * inner * (rows + columns), 8 * rows * columns
    what = described(shape, 3, block)
    seen = driver.observe("multiply", 9, shape, 3, block)
    right(asked(lambda: seen.value, what), *driver.operands(9, *shape), what)
    if seen.written_bytes is None:
        cannot_measure("This machine does not count what processes write.")
    measured |= {"operands": operands, "bytes written": seen.written_bytes, "bytes shared": seen.shared_bytes}
    # Results may travel, and names, corners and what pickling puts round them.
    limit = 2 * result + MIB
    n_blocks = -(-rows // block) * -(-columns // block)
    assert seen.written_bytes + seen.loopback_bytes <= limit, (
        f"For {what}, {seen.written_bytes + seen.loopback_bytes:,} bytes were written into pipes, sockets and files. Both "
        f"operands together are {operands:,} bytes, the result is {result:,}, and there are {n_blocks} blocks.\n"
        "What does a worker need to be sent, if it can see the operands already?"
    )
    assert seen.shared_bytes >= operands, (
        f"For {what}, the operands are {operands:,} bytes, and no process ever had more than {seen.shared_bytes:,} bytes of "
        "shared memory in use.\nHow did the workers come to see the operands? Memory that is inherited by a fork is a copy, "
        "and not there at all under spawn."
    )


@pytest.mark.points(1)
@pytest.mark.kind("cleanup")
@pytest.mark.needs("test_the_product_is_right")
def test_nothing_is_left_behind(driver):
    """No segment and no process is left when block_matmul returns."""
    for shape, n_workers, block in (((40, 30, 50), 2, 10), ((5, 6, 7), 3, 10)):
        seen = driver.observe("multiply", 10, shape, n_workers, block)
        what = described(shape, n_workers, block)
        right(asked(lambda seen=seen: seen.value, what), *driver.operands(10, *shape), what)
        assert_clean(seen)


@pytest.mark.points(1)
@pytest.mark.kind("speedup")
@pytest.mark.needs("test_the_product_is_right", "test_n_workers_compute")
def test_large_matrices_are_fast(driver, yardstick, speedup):
    """Large matrices: at least 0.6 of the attainable speedup with 8 workers."""
    shape, block = (1600, 1600, 1600), 200

    def compare(ours, theirs):
        if not isinstance(theirs, np.ndarray) or theirs.shape != ours.shape:
            return f"It was {shorten(theirs)}."
        distance = np.abs(ours - theirs).max()
        return (
            None if distance < 1e-6 else f"Times a vector it differs from the product times the same by {distance:.3g}."
        )

    speedup(
        case=lambda rng: rng.getrandbits(32),
        student=lambda seed: driver.observe("multiply_and_probe", seed, shape, 8, block),
        yardstick=lambda seed, method: yardstick.observe("run", seed, shape, 8, block, method),
        needed=NEEDED,
        compare=compare,
    )
