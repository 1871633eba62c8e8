"""Which isolation level there is, and that nobody gets a weaker one than was asked for."""

import pytest

from autograder.errors import SandboxError
from autograder.sandbox import Isolation, ZygoteSandbox


@pytest.mark.parametrize("level", Isolation)
def test_a_level_is_had_or_refused(level: Isolation, refusals: dict[Isolation, str]) -> None:
    """A level that is asked for is had; where the machine does not allow it, an error says why."""
    if refusals[level]:
        pytest.skip(refusals[level])
    with ZygoteSandbox(forced=level) as sandbox:
        assert level is sandbox.isolation


def test_a_refused_level_is_not_replaced(refusals: dict[Isolation, str]) -> None:
    """Where a level that was asked for cannot be had, nothing runs at another one."""
    missing = next((level for level in Isolation if refusals[level]), None)
    if missing is None:
        pytest.skip("this machine has all levels")
    with ZygoteSandbox(forced=missing) as sandbox, pytest.raises(SandboxError, match=str(missing)):
        _ = sandbox.isolation


def test_the_strongest_level_is_taken(refusals: dict[Isolation, str]) -> None:
    """Without a wish one gets the strongest level that there is, and is told why no stronger one."""
    strongest = next(level for level in Isolation if not refusals[level])
    with ZygoteSandbox() as sandbox:
        assert strongest is sandbox.isolation
    stronger = list(Isolation)[: list(Isolation).index(strongest)]
    assert [str(level) for level in stronger] == [text.partition(":")[0] for text in sandbox.refusals]


def test_only_the_weakest_level_does_not_hold_strangers() -> None:
    """Levels that hold code of strangers are those with walls."""
    assert [True, True, False] == [level.holds_strangers for level in Isolation]
