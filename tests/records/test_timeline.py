"""The timeline as a record."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from autograder.records import Kind, Outcome, Verdict
from autograder.records.timeline import CallTimeline, Doing, Role, Row, Segment, Timeline, in_slots

RUNNING, WAITING, BLOCKED = Doing.RUNNING, Doing.WAITING, Doing.BLOCKED


def test_a_slot_shows_what_took_most_of_it() -> None:
    """Each slot has what the thread did longest in it, and nothing where it was not there."""
    segments = [Segment(1.0, 2.6, RUNNING), Segment(2.6, 2.9, WAITING), Segment(2.9, 4.0, BLOCKED)]
    assert [None, RUNNING, RUNNING, BLOCKED, None] == in_slots(segments, 0.0, 5.0, 5)
    assert [RUNNING, WAITING, BLOCKED] == in_slots(segments, 2.45, 3.05, 3)


@given(st.lists(st.tuples(st.floats(0.0, 9.0), st.sampled_from(Doing)), max_size=20), st.integers(1, 50))
def test_slots_show_nothing_that_was_not_there(pieces: list[tuple[float, Doing]], count: int) -> None:
    """However the time is cut up: as many slots as asked for, and only what some segment says."""
    starts = sorted(pieces, key=lambda piece: piece[0])
    ends = [*(start for start, _ in starts[1:]), 10.0]
    segments = [Segment(start, end, doing) for (start, doing), end in zip(starts, ends, strict=False)]
    shown = in_slots(segments, 0.0, 10.0, count)
    assert count == len(shown)
    assert set(shown) <= {None, *(segment.doing for segment in segments)}


def _verdict(**more: object) -> Verdict:
    fields = {"name": "test_it", "title": "It works.", "kind": Kind.CORRECTNESS, "outcome": Outcome.PASSED}
    return Verdict(**fields, score=1.0, points=1.0, **more)  # type: ignore[arg-type]


def test_a_verdict_without_a_timeline_has_no_such_field() -> None:
    """Schema 1 stays as it was for all who did not ask for timelines, and is read with and without them."""
    without = msgspec.json.encode(_verdict())
    assert "timeline" not in msgspec.json.decode(without)
    assert _verdict() == msgspec.json.decode(without, type=Verdict)


def test_a_timeline_is_compact_json() -> None:
    """A segment is three values in a row, with what was done in words; what is written is what is read."""
    row = Row(
        pid=3,
        parent=2,
        role=Role.WORKER,
        thread=0,
        start=0.0,
        end=0.5,
        cpu_seconds=0.5,
        waiting_seconds=0.0,
        segments=(Segment(0.0, 0.5, WAITING),),
    )
    verdict = _verdict(timeline=Timeline(calls=(CallTimeline(label="f()", seconds=0.5, rows=(row,)),)))
    data = msgspec.json.encode(verdict)
    (call,) = msgspec.json.decode(data)["timeline"]["calls"]
    assert [[0.0, 0.5, "waiting for a core"]] == call["rows"][0]["segments"]
    assert verdict == msgspec.json.decode(data, type=Verdict)
