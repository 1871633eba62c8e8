"""When everything would have happened, from what ranks told in order."""

import pytest

from autograder.measure.replay import Begin, End, Event, ReplayError, Stage, Work, events_of, replay


def send(call: int, to: int, size: int = 0) -> list[Event]:
    return [Begin(call, "send", "", to, size), End(call)]


def receive(call: int, source: int) -> list[Event]:
    return [Begin(call, "recv", "", source, 0), End(call)]


def gathered(call: int, size: int = 0) -> list[Event]:
    return [Begin(call, "all_reduce", "", None, size)]


def test_work_takes_its_length_and_a_message_is_waited_for() -> None:
    """A rank that waits for a message goes on when the sender has sent it."""
    first: list[Event] = [Work("forward", 2.0, 0), *send(0, 1), Work("forward", 2.0, 1), *send(1, 1)]
    second: list[Event] = [*receive(0, 0), Work("forward", 2.0, 0), *receive(1, 0), Work("forward", 2.0, 1)]
    schedule = replay([first, second])
    assert 6.0 == schedule.seconds
    assert [0.0, 2.0, 2.0, 4.0] == sorted(span.start for span in schedule.spans)
    assert pytest.approx(1 - 8 / 12) == schedule.idle_share


@pytest.mark.parametrize(("stages", "micro_batches"), [(1, 1), (2, 3), (4, 8), (3, 1)])
def test_a_pipeline_takes_the_slots_that_the_formula_says(stages: int, micro_batches: int) -> None:
    """Filling and draining take (p - 1) slots beside the m of each stage, so (p-1)/(m+p-1) of the time is idle."""
    ranks: list[list[Event]] = []
    for rank in range(stages):
        events: list[Event] = []
        for batch in range(micro_batches):
            if rank > 0:
                events += receive(batch, rank - 1)
            events.append(Work("forward", 1.0, batch))
            if rank < stages - 1:
                events += send(100 + batch, rank + 1)
        ranks.append(events)
    schedule = replay(ranks)
    assert micro_batches + stages - 1 == schedule.seconds
    assert pytest.approx((stages - 1) / (micro_batches + stages - 1)) == schedule.idle_share


def test_a_collective_begins_when_the_last_rank_has_come_and_hides_behind_work() -> None:
    """What goes on while the message is under way costs no time of its own."""
    early: list[Event] = [*gathered(0, 10), Work("backward", 3.0, 0), End(0)]
    late: list[Event] = [Work("backward", 1.0, 0), *gathered(0, 10), Work("backward", 1.0, 1), End(0)]
    assert 3.0 == replay([early, late], 0.5, 0.1).seconds, "hidden behind the early rank's work"
    assert 5.5 == replay([early, late], 4.0, 0.05).seconds, "begun when the late rank had come"


def test_a_thread_that_communicates_waits_beside_the_work() -> None:
    """Where another thread waits for its collective, the rank's work goes on; the end is when both are ready."""
    rank: list[Event] = [Begin(0, "all_reduce", "", None, 0, True), End(0), Work("backward", 3.0, 0)]
    assert 3.0 == replay([rank, rank], 2.0).seconds
    assert 5.0 == replay([rank, rank], 5.0).seconds


def test_messages_go_one_after_another_over_the_wire() -> None:
    """Two messages at once take twice as long, also in two groups; a thousand are no trouble."""
    rank: list[Event] = [*gathered(0, 10), *gathered(1, 10), End(1), End(0)]
    assert 2 * (1 + 10) == replay([rank, rank], 1.0, 1.0).seconds
    other: list[Event] = [Begin(0, "all_reduce", "a", None, 0), Begin(1, "all_reduce", "b", None, 0), End(0), End(1)]
    assert 2.0 == replay([other, other], 1.0).seconds
    many = [event for call in range(3000) for event in gathered(call)]
    assert 3000.0 == replay([[*many, End(2999)]] * 2, 1.0).seconds


def test_an_end_before_its_begin_is_told() -> None:
    """Ranks that tell what cannot have happened are not believed."""
    with pytest.raises(ReplayError, match="rank 1"):
        replay([[Work("forward", 1.0, 0)], receive(0, 0)])
    with pytest.raises(ReplayError):
        events_of({"events": [[["work", "forward", "long", 0, False]]]}, "step")


def test_a_schedule_of_slow_work_can_be_read_in_other_units() -> None:
    """Everything takes the same part of the time."""
    schedule = replay([[Work("forward", 8.0, 0)], [Work("forward", 2.0, 0)]])
    assert (2.0, 0.375) == (schedule.slower(0.25).seconds, schedule.slower(0.25).idle_share)


def test_only_the_stage_asked_for_counts() -> None:
    """What was told before and after the stage is left out."""
    told = [["stage", "a"], ["work", "x", 1.0, 0, False], ["stage", "b"], ["work", "y", 2.0, 1, False], ["end", 0]]
    assert [[Work("y", 2.0, 1), End(0)]] == events_of({"events": [told]}, "b")
    assert 2.0 == replay(events_of({"events": [told]}, "b")).seconds, "a call from before is not waited for"
    assert Stage("a") not in events_of({"events": [told]}, "a")[0]


def test_the_chart_has_a_line_for_each_rank() -> None:
    """Work is a letter, idleness a dot."""
    ranks: list[list[Event]] = [[Work("forward", 1.0, 0), *send(0, 1)], [*receive(0, 0), Work("backward", 3.0, 0)]]
    assert "  rank 0  ff......\n  rank 1  ..bbbbbb" == replay(ranks).chart(8)
