"""The trace: JSON in Chrome's Trace Event Format."""

import json
from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from autograder.records import Report, Result, Timeline, Verdict
from autograder.report import trace

Make = Callable[..., Verdict]
MakeResult = Callable[..., Result]
MakeReport = Callable[..., Report]
MakeTimeline = Callable[..., Timeline]


@pytest.fixture
def events(
    make_verdict: Make, make_result: MakeResult, make_report: MakeReport, make_timeline: MakeTimeline
) -> list[dict[str, Any]]:
    """The events of a trace of two calls."""
    timeline = make_timeline()
    twice = Timeline(calls=timeline.calls * 2)
    document = json.loads(trace.encode(make_report(make_result(make_verdict(timeline=twice), make_verdict()))))
    assert {"traceEvents", "displayTimeUnit"} == set(document)
    found: list[dict[str, Any]] = document["traceEvents"]
    return found


def _slices(events: list[dict[str, Any]], **wanted: object) -> list[dict[str, Any]]:
    return [event for event in events if event["ph"] == "X" and wanted.items() <= event.items()]


def test_every_event_has_what_the_format_asks_for(events: list[dict[str, Any]]) -> None:
    """Metadata events and complete events, and of each the fields that a viewer needs, of the right types."""
    assert {"M", "X"} == {event["ph"] for event in events}
    for event in events:
        assert (str, int, int) == tuple(type(event[key]) for key in ("name", "pid", "tid"))
        if event["ph"] == "M":
            assert event["name"] in ("process_name", "process_sort_index", "thread_name")
            assert {"name": str, "sort_index": int}[next(iter(event["args"]))] is type(
                next(iter(event["args"].values()))
            )
        else:
            assert (int, int, str) == tuple(type(event[key]) for key in ("ts", "dur", "cat"))
            assert min(event["ts"], event["dur"]) >= 0


def test_processes_and_threads_have_names(events: list[dict[str, Any]]) -> None:
    """Every track that has an event is named, by role or rank and the process's own pid."""
    processes = {event["pid"]: event["args"]["name"] for event in events if event["name"] == "process_name"}
    threads = {(event["pid"], event["tid"]) for event in events if event["name"] == "thread_name"}
    assert {(event["pid"], event["tid"]) for event in _slices(events)} == threads
    call = "driver.train(2)"
    names = [
        f"{name}: {call}"
        for name in ("caller (pid 2)", "rank 0 (pid 3)", "rank 1 (pid 4)", "helper (pid 5)", "worker 1 (pid 6)")
    ]
    assert ["alice race: calls", *names, *names] == list(processes.values())


def test_times_are_microseconds_one_call_after_the_other(events: list[dict[str, Any]]) -> None:
    """The second call begins after the end of the first."""
    calls = _slices(events, cat="call")
    assert [(0, 400_000), (400_000 + trace.GAP, 400_000)] == [(event["ts"], event["dur"]) for event in calls]
    first, *_ = _slices(events, cat="state", name="waiting for a core")
    assert (100_000, 100_000) == (first["ts"], first["dur"])


def test_collectives_tell_their_bytes(events: list[dict[str, Any]]) -> None:
    """They lie in the process of their rank."""
    told = [(event["name"], event["args"], event["dur"]) for event in _slices(events, cat="collective")]
    expected = [
        ("all_reduce", {"bytes": 1500}, 100_000),
        ("all_reduce", {"bytes": 1500}, 60_000),
        ("all_reduce", {"bytes": 3000}, 10_000),
    ]
    assert expected * 2 == told
    ranks = {event["pid"] for event in events if event["name"] == "process_name" and "rank" in event["args"]["name"]}
    assert ranks == {event["pid"] for event in _slices(events, cat="collective")}


def test_events_of_a_track_lie_within_or_after_one_another(events: list[dict[str, Any]]) -> None:
    """No two overlap halfway, which viewers do not draw: collectives that do get tracks of their own."""
    tracks = defaultdict(list)
    for event in _slices(events):
        tracks[event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
    for spans in tracks.values():
        for (start, end), (later, its_end) in pairwise(sorted(spans, key=lambda span: (span[0], -span[1]))):
            assert later >= end or its_end <= end, (start, end, later, its_end)


def test_names_that_json_cannot_hold_are_written_as_text(
    make_verdict: Make, make_result: MakeResult, make_report: MakeReport, make_timeline: MakeTimeline
) -> None:
    """No submission can make the trace unwritable."""
    check = make_verdict(timeline=make_timeline("f('\ud800')", "\udcff\x00"))
    names = {event["name"] for event in json.loads(trace.encode(make_report(make_result(check))))["traceEvents"]}
    assert {r"f('\ud800')", "\\udcff\x00"} <= names


def test_a_report_without_timelines_is_an_empty_trace(
    make_verdict: Make, make_result: MakeResult, make_report: MakeReport
) -> None:
    """It can be opened all the same."""
    data = trace.encode(make_report(make_result(make_verdict())))
    assert {"traceEvents": [], "displayTimeUnit": "ms"} == json.loads(data)
