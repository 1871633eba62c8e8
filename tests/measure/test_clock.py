"""The corrected clock shows what a program would take on free cores."""

import os
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.measure.clock import CorrectedClock
from autograder.measure.observation import Watch
from autograder.sandbox import Call, Counters, Ending, ProcessState, Snapshot, ZygoteSandbox
from autograder.sandbox.procfs import LINUX

#: Run and delay of one thread, in seconds.
Times = tuple[float, float]


def _snapshot(at: float, turns: int = 0, waits: int = 0, **threads: Times) -> Snapshot:
    """A process tree; each of ``threads`` is a process of its own with one thread."""
    processes = {}
    for name, (run, delay) in threads.items():
        pid = ord(name)
        counters = Counters(round(run * 1e9), round(delay * 1e9), turns, waits)
        processes[pid] = ProcessState(pid, 1, 1, "R", 0, {pid: counters})
    return Snapshot(at, processes)


def _clock(*snapshots: Snapshot) -> CorrectedClock:
    clock = CorrectedClock()
    clock.start(snapshots[0])
    for snapshot in snapshots[1:]:
        clock.tick(snapshot)
    return clock


def test_a_free_core_needs_no_correction() -> None:
    """A thread that ran all the time took as long as the wall clock says."""
    clock = _clock(_snapshot(10.0, a=(5.0, 0.0)), _snapshot(11.0, a=(6.0, 0.0)))
    assert (1.0, 1.0, 1.0) == pytest.approx((clock.wall_seconds, clock.corrected_seconds, clock.cpu_seconds()))


def test_a_neighbour_is_taken_out() -> None:
    """A thread that had to wait for its core half of the time would have taken half of it."""
    clock = _clock(_snapshot(0.0, a=(0.0, 0.0)), _snapshot(1.0, a=(0.5, 0.5)))
    assert (1.0, 0.5) == pytest.approx((clock.wall_seconds, clock.corrected_seconds))


@pytest.mark.parametrize("workers", [2, 4, 8])
def test_an_even_split_on_one_core_takes_its_share(workers: int) -> None:
    """``n`` workers that share one core evenly would take 1/n of the time on cores of their own."""
    names = "abcdefgh"[:workers]
    snapshots = [
        _snapshot(at / 10, **dict.fromkeys(names, (at / 10 / workers, at / 10 * (1 - 1 / workers)))) for at in range(11)
    ]
    assert 1 / workers == pytest.approx(_clock(*snapshots).corrected_seconds)


def test_idle_time_counts_whole() -> None:
    """Where nothing ran and nothing was ready, all waited for one another, and that would be so on any machine."""
    clock = _clock(_snapshot(0.0, a=(0.0, 0.0)), _snapshot(1.0, a=(0.0, 0.0)), _snapshot(2.0, a=(0.4, 0.0)))
    assert 2.0 == pytest.approx(clock.corrected_seconds)


def test_waiting_for_a_lock_stays_visible() -> None:
    """Two workers that take turns, one blocked while the other runs, take as long as one after the other."""
    turns = [_snapshot(at / 2, a=((at + 1) // 2 / 2, 0.0), b=(at // 2 / 2, 0.0)) for at in range(5)]
    assert 2.0 == pytest.approx(_clock(*turns).corrected_seconds)


def test_a_delay_that_is_booked_late_lies_where_it_arose() -> None:
    """The kernel books a wait when it is over: booked at once or all at the end, the clock shows the same."""
    steps = [at / 10 for at in range(11)]
    at_once = [_snapshot(at, a=(at / 2, at / 2), b=(at / 2, at / 2)) for at in steps]
    late = [_snapshot(at, a=(at / 2, at / 2), b=(at / 2, at / 2 if at == 1.0 else 0.0)) for at in steps]
    shown = [clock.corrected_seconds for clock in (_clock(*at_once), _clock(*late))]
    assert [0.5, 0.5] == pytest.approx(shown)


def test_who_only_hands_out_work_does_not_set_the_pace() -> None:
    """A thread that is late for the little that it does takes nothing off the time of one that computes."""
    steps = [at / 10 for at in range(11)]
    clock = _clock(*(_snapshot(at, a=(at, 0.0), b=(at / 1000, at * 0.999)) for at in steps))
    assert 1.0 == pytest.approx(clock.corrected_seconds, rel=0.01)


def test_who_is_woken_in_vain_was_not_parallel() -> None:
    """A and B take turns at a lock on one core. Who waits for it is woken in vain now and then: that is no parallel work.

    But who knows what it kept from being done at the same time: the lower reading leaves that open.
    """
    clock = CorrectedClock()
    clock.start(_snapshot(0.0, a=(0.0, 0.0), b=(0.0, 0.0)))
    ran, late, at = {"a": 0.0, "b": 0.0}, {"a": 0.0, "b": 0.0}, 0.0
    for turn in range(100):
        holder, waiter = ("a", "b") if turn // 5 % 2 else ("b", "a")
        at += 0.004
        ran[holder] += 0.004
        ran[waiter] += 0.00002
        late[waiter] += 0.0039
        clock.tick(_snapshot(at, turns=turn + 1, waits=turn + 1, a=(ran["a"], late["a"]), b=(ran["b"], late["b"])))
    assert 0.4 == pytest.approx(clock.corrected_at_most, rel=0.02)
    assert 0.2 <= clock.corrected_seconds < 0.25


def test_short_turns_on_one_core_are_parallel_all_the_same() -> None:
    """Two workers that take the core from one another every 0.1 ms have not slept: their delays are what free cores save."""
    clock = CorrectedClock()
    clock.start(_snapshot(0.0, a=(0.0, 0.0), b=(0.0, 0.0)))
    for tick in range(1, 101):
        half = tick * 0.00198
        clock.tick(_snapshot(tick * 0.004, turns=20 * tick, waits=tick, a=(half, half), b=(half, half)))
    assert 0.2 == pytest.approx(clock.corrected_seconds, rel=0.02)


def test_an_uneven_split_is_not_taken_for_a_quicker_one() -> None:
    """On one core, a worker with three times the work of the other takes its own CPU time, and the start before it counts."""
    clock = CorrectedClock()
    clock.start(_snapshot(0.0))
    clock.tick(_snapshot(0.1))
    ran = {"a": (0.0, 0.0), "b": (0.0, 0.0)}
    for tick in range(1, 101):
        both = tick <= 50
        for name, add in (("a", 0.02 if both else 0.04), ("b", 0.02 if both else 0.0)):
            run, delay = ran[name]
            ran[name] = run + add, delay + (0.02 if both else 0.0)
        clock.tick(_snapshot(0.1 + tick * 0.04, a=ran["a"], b=ran["b"]))
    assert 3.1 == pytest.approx(clock.corrected_seconds, rel=0.01)


def test_who_was_woken_late_has_two_readings() -> None:
    """A delay after a wait may have kept others waiting, or not: the upper reading does not take it out, the lower does."""
    clock = CorrectedClock()
    clock.start(_snapshot(0.0, a=(0.0, 0.0)))
    for tick in range(1, 101):
        clock.tick(_snapshot(tick * 0.004, turns=2 * tick, waits=tick, a=(tick * 0.002, tick * 0.002)))
    assert (0.2, 0.2667) == pytest.approx((clock.corrected_seconds, clock.corrected_at_most), rel=0.01)


def test_a_thread_does_not_run_while_it_waits() -> None:
    """A slice of 3 ms after a wait of 9 ms, seen every 4 ms: a fourth of the time, however the slices are booked."""
    slices = [(at * 0.004, (at // 3) * 0.003, (at // 3) * 0.009) for at in range(31)]
    clock = _clock(*(_snapshot(at, a=(run, delay)) for at, run, delay in slices))
    assert (0.12, 0.03) == pytest.approx((clock.wall_seconds, clock.corrected_seconds))


def test_a_delay_from_before_the_start_does_not_count() -> None:
    """A wait that had begun long before the measured time shortens no more than that time."""
    clock = _clock(_snapshot(0.0, a=(0.0, 0.0)), _snapshot(0.1, a=(0.05, 60.0)), _snapshot(0.2, a=(0.15, 60.0)))
    assert 0.15 == pytest.approx(clock.corrected_seconds)


def test_what_was_counted_before_the_start_does_not_count() -> None:
    """Counters begin where the measured time begins; those of a process that is born later begin at nothing."""
    clock = _clock(_snapshot(0.0, a=(100.0, 50.0)), _snapshot(1.0, a=(100.5, 50.0), b=(0.25, 0.0)))
    assert (0.75, 0.5, 0.25) == pytest.approx((clock.cpu_seconds(), clock.cpu_seconds(ord("a")), clock.cpu_seconds(98)))


def test_a_process_that_has_ended_keeps_its_time() -> None:
    """CPU time of a process that is gone still belongs to the call."""
    clock = _clock(_snapshot(0.0), _snapshot(1.0, a=(0.9, 0.0)), _snapshot(2.0))
    assert 0.9 == pytest.approx(clock.cpu_seconds())


def test_idle_threads_feign_no_speed() -> None:
    """However many threads are made to wait beside it, work that one thread does takes its CPU time."""
    chaff = dict.fromkeys("bcdefgh", (0.001, 0.999))
    clock = _clock(_snapshot(0.0), _snapshot(1.0, a=(0.9, 0.0), **chaff))
    assert 0.9 <= clock.corrected_seconds <= 1.0


@given(
    st.lists(
        st.tuples(st.floats(0.001, 1.0), st.lists(st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 3.0)), max_size=4)),
        min_size=1,
        max_size=8,
    )
)
def test_the_clock_stays_within_bounds(steps: list[tuple[float, list[Times]]]) -> None:
    """Whatever is counted: never less than the longest thread ran, never more than the wall clock shows."""
    at, totals = 0.0, dict.fromkeys("abcd", (0.0, 0.0))
    clock = CorrectedClock()
    clock.start(_snapshot(at, **totals))
    for length, shares in steps:
        at += length
        for name, (run, delay) in zip("abcd", shares, strict=False):
            # No thread runs longer than the interval is.
            totals[name] = (totals[name][0] + run * length, totals[name][1] + delay)
        clock.tick(_snapshot(at, **totals))
    longest = max(run for run, _ in totals.values())
    assert longest - 1e-6 <= clock.corrected_seconds <= clock.corrected_at_most <= clock.wall_seconds + 1e-6


# -- with real processes ----------------------------------------------------------------------------------

WORK = b"""
import os, time

def burn(seconds):
    # Work that is measured in CPU time is the same on every machine at every moment.
    end = time.thread_time() + seconds
    while time.thread_time() < end: pass

def fork(work):
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(0)
    return pid

def serial(seconds):
    os.waitpid(fork(lambda: burn(seconds)), 0)

def even(seconds):
    for pid in [fork(lambda: burn(seconds / 2)) for _ in range(2)]: os.waitpid(pid, 0)

def turns(seconds):
    reader, writer = os.pipe()
    def locked():
        os.read(reader, 1)
        burn(seconds / 2)
        os.write(writer, b".")
    os.write(writer, b".")
    for pid in [fork(locked) for _ in range(2)]: os.waitpid(pid, 0)
"""


class _Pinned(Watch):
    """Looks on, and gives the call one core only."""

    def started(self, caller: int, snapshot: Snapshot) -> None:
        os.sched_setaffinity(caller, [min(os.sched_getaffinity(caller))])
        super().started(caller, snapshot)


@pytest.mark.skipif(not LINUX, reason="other systems have no run-queue counters")
def test_one_core_is_enough_to_see_a_split() -> None:
    """Pinned to ONE core, two even halves show half of the serial time, and two halves that take turns show all of it."""
    with ZygoteSandbox() as sandbox:

        def shown(function: str) -> float:
            watch = _Pinned()
            outcome = sandbox.run(Call({"work.py": WORK}, "work", function, (0.2,)), watch)
            assert Ending.VALUE is outcome.ending, outcome.message
            return watch.clock.corrected_seconds

        rounds = [{name: shown(name) for name in ("serial", "even", "turns")} for _ in range(5)]
    even = median(times["even"] / times["serial"] for times in rounds)
    turns = median(times["turns"] / times["serial"] for times in rounds)
    # Told apart on any machine: beside a dozen busy processes the CPU time itself differs by as much as this.
    assert 0.35 < even < 0.75, f"even halves are half, and this is {even:.2f}"
    assert 0.8 < turns < 1.3, f"turns are the whole, and this is {turns:.2f}"
