"""What ran when, put together from snapshots. No process is started here."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.measure.timeline import MOST_MARKS, MOST_ROWS, MOST_SEGMENTS, Inside, Recorder, told
from autograder.records.timeline import CallTimeline, Doing, Mark, Role, Row
from autograder.sandbox import ProcessState, Snapshot

CALLER, WORKER, TRACKER = 100, 101, 102
PIDS = {CALLER: 2, WORKER: 3, TRACKER: 4}
RUNNING, WAITING, BLOCKED = Doing.RUNNING, Doing.WAITING, Doing.BLOCKED

Counts = dict[int, tuple[float, float]]


def _state(pid: int, counts: Counts, state: str = "S", parent: int | None = None) -> ProcessState:
    """A process whose threads have run and been delayed for so many seconds."""
    threads: Any = {thread: (round(run * 1e9), round(delay * 1e9)) for thread, (run, delay) in counts.items()}
    return ProcessState(pid, parent or (1 if pid == CALLER else CALLER), CALLER, state, 0, threads)


def _snapshot(at: float, **processes: Any) -> Snapshot:
    """A snapshot of a caller and a worker with one thread each: ``caller=(run, delay)``."""
    pids = {"caller": CALLER, "worker": WORKER}
    return Snapshot(at, {pids[name]: _state(pids[name], {pids[name]: counts}) for name, counts in processes.items()})


def _timeline(*snapshots: Snapshot, inside: Inside | None = None, helpers: tuple[int, ...] = ()) -> CallTimeline:
    recorder = Recorder()
    recorder.started(CALLER, snapshots[0])
    for snapshot in snapshots[1:-1]:
        recorder.tick(snapshot)
    recorder.finished(snapshots[-1])
    timeline = recorder.timeline("f()", PIDS, helpers, inside)
    assert timeline is not None
    return timeline


def _shown(row: Row) -> list[tuple[float, float, Doing]]:
    return [(segment.start, segment.end, segment.doing) for segment in row.segments]


def test_running_waiting_and_blocked_are_told_apart() -> None:
    """What the kernel counted as run, and as delayed, and the rest; times count from the start of the call."""
    steps = [_snapshot(50.0 + at / 10, caller=(min(at, 3) / 10, max(0, min(at - 3, 2)) / 10)) for at in range(8)]
    timeline = _timeline(*steps)
    assert ("f()", 0.7) == (timeline.label, timeline.seconds)
    (row,) = timeline.rows
    assert [(0.0, 0.3, RUNNING), (0.3, 0.5, WAITING), (0.5, 0.7, BLOCKED)] == _shown(row)
    assert (0.3, 0.2) == (row.cpu_seconds, row.waiting_seconds)


def test_within_an_interval_what_goes_on_comes_first() -> None:
    """A thread that stops in an interval and one that begins in it are drawn with what they did beside it."""
    stops = _timeline(
        _snapshot(0.0, caller=(0.0, 0.0)), _snapshot(1.0, caller=(1.0, 0.0)), _snapshot(2.0, caller=(1.4, 0.0))
    )
    assert [(0.0, 1.4, RUNNING), (1.4, 2.0, BLOCKED)] == _shown(stops.rows[0])
    begins = _timeline(
        _snapshot(0.0, caller=(0.0, 0.0)), _snapshot(1.0, caller=(0.4, 0.0)), _snapshot(2.0, caller=(1.4, 0.0))
    )
    assert [(0.0, 0.6, BLOCKED), (0.6, 2.0, RUNNING)] == _shown(begins.rows[0])


def test_a_delay_that_is_booked_late_lies_where_it_arose() -> None:
    """The kernel tells of a wait when it is over: the time before, which looked blocked, was spent waiting."""
    ran = [0.1, 0.1, 0.1, 0.1, 0.2]
    late = [0.0, 0.0, 0.0, 0.0, 0.3]
    steps = [
        _snapshot((at + 1) / 10, caller=(run, delay)) for at, (run, delay) in enumerate(zip(ran, late, strict=True))
    ]
    (row,) = _timeline(_snapshot(0.0, caller=(0.0, 0.0)), *steps).rows
    assert [(0.0, 0.1, RUNNING), (0.1, 0.4, WAITING), (0.4, 0.5, RUNNING)] == _shown(row)


def test_a_process_is_there_from_its_start_to_its_end() -> None:
    """It begins when it began to want a core, and ends when it was last seen alive or, dead, had used its time."""
    ended = Snapshot(
        0.4, {CALLER: _state(CALLER, {CALLER: (0.0, 0.0)}), WORKER: _state(WORKER, {WORKER: (0.22, 0.0)}, "Z")}
    )
    timeline = _timeline(
        _snapshot(0.0, caller=(0.0, 0.0)),
        _snapshot(0.1, caller=(0.0, 0.0)),
        _snapshot(0.2, caller=(0.0, 0.0), worker=(0.06, 0.0)),
        _snapshot(0.3, caller=(0.0, 0.0), worker=(0.16, 0.0)),
        ended,
        _snapshot(0.5, caller=(0.0, 0.0)),
    )
    caller, worker = timeline.rows
    assert [(0.0, 0.5, BLOCKED)] == _shown(caller)
    assert (0.14, 0.36, 0.22) == (worker.start, worker.end, worker.cpu_seconds)
    assert [(0.14, 0.36, RUNNING)] == _shown(worker)


def test_what_was_counted_before_the_call_does_not_count() -> None:
    """The caller has imported a module by then."""
    (row,) = _timeline(_snapshot(0.0, caller=(5.0, 2.0)), _snapshot(1.0, caller=(5.25, 2.5))).rows
    assert (0.25, 0.5) == (row.cpu_seconds, row.waiting_seconds)


def test_processes_have_the_pids_that_they_see_themselves_and_a_role() -> None:
    """The caller first, then the others as they came, with their threads; Python's helpers are known as such."""
    first = _snapshot(0.0, caller=(0.0, 0.0))
    tree = Snapshot(
        1.0,
        {
            TRACKER: _state(TRACKER, {TRACKER: (0.1, 0.0)}),
            WORKER: _state(WORKER, {WORKER: (0.1, 0.0), 201: (0.2, 0.0)}),
            CALLER: _state(CALLER, {CALLER: (0.1, 0.0)}),
        },
    )
    rows = _timeline(first, tree, helpers=(TRACKER,)).rows
    expected = [(2, 1, Role.CALLER, 0), (3, 2, Role.WORKER, 0), (3, 2, Role.WORKER, 1), (4, 2, Role.HELPER, 0)]
    assert expected == [(row.pid, row.parent, row.role, row.thread) for row in rows]


def test_what_goes_on_after_the_end_is_not_drawn() -> None:
    """The timeline ends with the call, and a call that never began has none."""
    recorder = Recorder()
    assert None is recorder.timeline("f()", PIDS)
    recorder.started(CALLER, _snapshot(0.0, caller=(0.0, 0.0)))
    recorder.finished(_snapshot(1.0, caller=(1.0, 0.0)))
    recorder.tick(_snapshot(2.0, caller=(2.0, 0.0)))
    timeline = recorder.timeline("f()", PIDS)
    assert timeline is not None
    assert (1.0, 1.0) == (timeline.seconds, timeline.rows[0].cpu_seconds)


def test_counters_with_more_in_them_are_read_too() -> None:
    """A thread's counters may tell more than the two times that are needed here."""
    more: Any = {CALLER: (500_000_000, 0, 7, "more")}
    first = _snapshot(0.0, caller=(0.0, 0.0))
    (row,) = _timeline(first, Snapshot(1.0, {CALLER: ProcessState(CALLER, 1, CALLER, "R", 0, more)})).rows
    assert 0.5 == row.cpu_seconds


# -- bounds -----------------------------------------------------------------------------------------------


def test_a_restless_thread_is_drawn_more_coarsely() -> None:
    """No row has more than so many segments; what it did most stays, and its times stay exact."""
    steps, run = [_snapshot(0.0, caller=(0.0, 0.0))], 0.0
    for at in range(4000):
        run += 0.001 if at % 2 and at < 2000 else 0.0
        steps.append(_snapshot((at + 1) / 1000, caller=(run, (at // 8) / 1000)))
    (row,) = _timeline(*steps).rows
    assert len(row.segments) <= MOST_SEGMENTS
    assert (1.0, 0.499) == (row.cpu_seconds, row.waiting_seconds)
    assert (0.0, 4.0) == (row.segments[0].start, row.segments[-1].end)


def test_the_busiest_rows_are_kept() -> None:
    """Of too many threads those that wanted a core are kept, all processes before them, and the rest is counted."""
    first = _snapshot(0.0, caller=(0.0, 0.0))
    threads = {CALLER: (0.0, 0.0)} | {1000 + n: (n / 1000, 0.0) for n in range(MOST_ROWS)}
    tree = Snapshot(1.0, {CALLER: _state(CALLER, threads), WORKER: _state(WORKER, {WORKER: (0.0, 0.0)})})
    timeline = _timeline(first, tree)
    assert (MOST_ROWS, 2) == (len(timeline.rows), timeline.rows_left_out)
    assert [0, *range(3, MOST_ROWS + 1), 0] == [row.thread for row in timeline.rows]


@given(
    st.lists(
        st.tuples(st.floats(0.0, 0.2), st.floats(0.0, 0.3), st.floats(0.0, 0.3), st.sampled_from("RSZ")),
        min_size=1,
        max_size=30,
    )
)
def test_segments_lie_in_a_row_within_their_thread(steps: list[tuple[float, float, float, str]]) -> None:
    """Whatever was counted: segments neither overlap nor lie outside of the thread's life and the call."""
    at = run = delay = 0.0
    snapshots = [_snapshot(0.0, caller=(0.0, 0.0))]
    for passed, ran, late, state in steps:
        at, run, delay = at + passed, run + ran, delay + late
        states = {
            CALLER: _state(CALLER, {CALLER: (run, delay)}),
            WORKER: _state(WORKER, {WORKER: (run / 2, delay / 2)}, state),
        }
        snapshots.append(Snapshot(at, states))
    timeline = _timeline(*snapshots)
    for row in timeline.rows:
        edges = [moment for segment in row.segments for moment in (segment.start, segment.end)]
        assert all(before <= after for before, after in pairwise([0.0, row.start, *edges, row.end, timeline.seconds]))


# -- what is reported from inside -------------------------------------------------------------------------


def test_marks_and_ranks_are_taken_from_inside() -> None:
    """Times on the machine's clock become times of the call; what never ended lasts to its end."""
    inside = Inside((3,), ((0, "all_reduce", 64, 50.5, None), (0, "broadcast", 8, 50.1, 50.3)))
    steps = _snapshot(50.0, caller=(0.0, 0.0)), _snapshot(51.0, caller=(0.0, 0.0), worker=(0.1, 0.0))
    timeline = _timeline(*steps, inside=inside)
    assert [None, 0] == [row.rank for row in timeline.rows]
    expected = (
        Mark(rank=0, name="broadcast", bytes=8, start=0.1, end=0.3),
        Mark(rank=0, name="all_reduce", bytes=64, start=0.5, end=1.0),
    )
    assert expected == timeline.marks


def test_marks_cannot_leave_the_call() -> None:
    """Times before the start, after the end, turned round or no numbers at all come to lie within the call."""
    lies = [(-1e300, 1e300), (float("nan"), float("nan")), (float("inf"), float("-inf")), (0.7, 0.2)]
    inside = Inside((), tuple((0, "x" * 1000, 1, *lie) for lie in lies))
    marks = _timeline(_snapshot(0.0, caller=(0.0, 0.0)), _snapshot(1.0, caller=(0.0, 0.0)), inside=inside).marks
    assert 4 == len(marks)
    assert all(0.0 <= mark.start <= mark.end <= 1.0 and len(mark.name) < 100 for mark in marks)


def test_of_too_many_marks_the_last_are_kept() -> None:
    """Where it hangs is at the end; the others are counted."""
    inside = Inside((), tuple((0, "barrier", 0, n / 1e4, n / 1e4) for n in range(MOST_MARKS + 3)))
    timeline = _timeline(_snapshot(0.0, caller=(0.0, 0.0)), _snapshot(1.0, caller=(0.0, 0.0)), inside=inside)
    assert (MOST_MARKS, 3, 0.0003) == (len(timeline.marks), timeline.marks_left_out, timeline.marks[0].start)


@pytest.mark.parametrize(
    "value",
    [
        None,
        42,
        {},
        {"timeline": 42},
        {"timeline": {"ranks": ["no"]}},
        {"timeline": {"ranks": [2**70]}},
        {"timeline": {"marks": [[0, "x", -1, 0.0, 0.0]]}},
        {"timeline": {"marks": [[0, "x", 2**70, 0.0, 0.0]]}},
        {"timeline": {"marks": [[0, "x", 1, "now", 0.0]]}},
        {"timeline": {"marks": [[0, "x"]]}},
    ],
)
def test_what_has_another_form_says_nothing(value: object) -> None:
    """A value that is not made for the timeline is passed over: a drawing changes no verdict."""
    assert Inside() == told(value)


def test_a_driver_tells_by_an_entry_of_its_answer() -> None:
    """Plain data in the documented form is what counts, with everything else that the answer holds."""
    answer = {"values": [1, 2], "timeline": {"ranks": [3, 4], "marks": [[1, "send", 8, 0.5, None]]}}
    assert Inside((3, 4), ((1, "send", 8, 0.5, None),)) == told(answer)
