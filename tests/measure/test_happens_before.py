"""Messages that are changed before it is certain that they have arrived."""

from typing import Any

from autograder.measure.happens_before import Begun, Changed, Ended, Step, changed_on_their_way


def _send(peer: int, tag: int = 0) -> dict[str, Any]:
    return {"name": "send", "group": "", "peer": peer, "tag": tag}


def _recv(peer: int, tag: int = 0) -> dict[str, Any]:
    return {"name": "recv", "group": "", "peer": peer, "tag": tag}


def _all(name: str = "barrier", **more: Any) -> dict[str, Any]:
    return {"name": name, "group": "", **more}


def _whole(call: dict[str, Any]) -> list[Step]:
    """A call that begins and ends with nothing between."""
    return [Begun(call), Ended(call)]


def test_nothing_changed_is_nothing_to_tell() -> None:
    """Messages that stay as they are harm nobody, waited for or not."""
    assert [] == changed_on_their_way([[Begun(_send(1))], _whole(_recv(0))])


def test_a_change_at_once_is_unsafe() -> None:
    """Whoever knows of nothing cannot know that it has arrived, however soon it was received."""
    message = _send(1)
    assert [message] == changed_on_their_way([[Begun(message), Changed(message)], _whole(_recv(0))])


def test_an_answer_shows_that_the_message_came() -> None:
    """What the receiver sent after it had received comes after the arrival, and so does what follows from it."""
    message = _send(1)
    asking = [Begun(message), *_whole(_recv(1)), Changed(message)]
    assert [] == changed_on_their_way([asking, [*_whole(_recv(0)), *_whole(_send(0))]])


def test_an_answer_that_was_sent_before_shows_nothing() -> None:
    """The receiver may have sent it without having received anything."""
    message = _send(1)
    asking = [Begun(message), *_whole(_recv(1)), Changed(message)]
    assert [message] == changed_on_their_way([asking, [*_whole(_send(0)), *_whole(_recv(0))]])


def test_the_news_may_come_round_about() -> None:
    """A ring: what comes back from the left has passed the one on the right."""
    message = _send(1)
    first = [Begun(message), *_whole(_recv(2)), Changed(message)]
    others = [[*_whole(_recv(rank - 1)), *_whole(_send((rank + 1) % 3))] for rank in (1, 2)]
    assert [] == changed_on_their_way([first, *others])


def test_messages_of_other_tags_are_other_messages() -> None:
    """An answer to the first message says nothing of the second, which the receiver takes later."""
    one, two = _send(1, 1), _send(1, 2)
    asking = [Begun(one), Begun(two), *_whole(_recv(1)), Changed(one), Changed(two)]
    answering = [*_whole(_recv(0, 1)), *_whole(_send(0)), *_whole(_recv(0, 2))]
    assert [two] == changed_on_their_way([asking, answering])


def test_a_collective_tells_what_all_knew() -> None:
    """After a barrier everyone knows what had been received before it; a broadcast tells what its root knew."""
    message = _send(1)
    for name, more in (("barrier", {}), ("broadcast", {"root": 1})):
        together = [_all(name, **more), _all(name, **more)]
        sending = [Begun(message), *_whole(together[0]), Changed(message)]
        assert [] == changed_on_their_way([sending, [*_whole(_recv(0)), *_whole(together[1])]])
        assert [message] == changed_on_their_way([sending, [*_whole(together[1]), *_whole(_recv(0))]])
    own = [_all("broadcast", root=0), _all("broadcast", root=0)]
    sending = [Begun(message), *_whole(own[0]), Changed(message)]
    assert [message] == changed_on_their_way([sending, [*_whole(_recv(0)), *_whole(own[1])]])


def test_after_a_call_that_never_ended_nothing_is_known() -> None:
    """Ranks that hang have their changes told."""
    message, asked = _send(1), _recv(1)
    assert [message] == changed_on_their_way([[Begun(message), Begun(asked), Ended(asked), Changed(message)], []])
