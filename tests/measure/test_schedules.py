"""One thread runs at a time, however the real threads are scheduled."""

import threading
import time

import pytest

from autograder.measure.schedules import Turns


def test_who_gives_the_turn_away_waits_for_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that is woken may run, end, and give the turn back before the one that woke it goes on: then that one
    has its turn once, and not once more later, when another runs.
    """
    wake = Turns._wake

    def slow_wake(turns: Turns, target: int) -> None:
        wake(turns, target)
        if target == 1:
            time.sleep(0.2)  # the system gives the core to the other thread

    monkeypatch.setattr(Turns, "_wake", slow_wake)
    turns = Turns(2, {}, 0, 100, lambda: None, lambda: False)
    order = []

    def first() -> None:
        turns.enter(0)
        turns.report("lock_wait", 7, None)
        turns.after_sync_retry(0)
        order.append("first goes on")
        assert turns._batons[0].locked(), "a turn is left over"
        turns.leave(0)

    def second() -> None:
        turns.enter(1)
        order.append("second runs")
        turns.report("lock_release", 7, None)
        turns.leave(1)

    threads = [threading.Thread(target=body) for body in (first, second)]
    for thread in threads:
        thread.start()
    turns.begin(0)
    for thread in threads:
        thread.join(10)
    assert ["second runs", "first goes on"] == order
    assert "" == turns.execution.trouble
