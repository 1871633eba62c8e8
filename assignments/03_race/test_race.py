"""Checks of exercise 03, race."""

import pytest

from autograder.checks import assert_clean, expect_type, shorten


@pytest.mark.points(0.5)
def test_one_thread(driver):
    """One thread by itself gets the right answers."""
    told_and_right = (
        ("Account().balance", 0),
        ("Account(100).balance", 100),
        ("deposit(20) then", None),
        ("the balance then", 120),
        ("withdraw(50) then", True),
        ("the balance then", 70),
        ("withdraw(71) then", False),
        ("the balance then", 70),
        ("withdraw(70) then", True),
        ("the balance then", 0),
        ("update(lambda balance: balance * 3) of an account with 5", 15),
        ("its balance then", 15),
        ("transfer(source, target, 16) from an account with 15 to an empty one", False),
        ("source.balance then", 15),
        ("target.balance then", 0),
        ("transfer(source, target, 15) then", True),
        ("source.balance then", 0),
        ("target.balance then", 15),
    )
    seen = expect_type(driver.alone(), list, "a list of what the calls gave")
    for (call, expected), actual in zip(told_and_right, seen, strict=False):
        assert expected == actual, (
            f"{call} gave {shorten(actual)}; right is {expected}.\nNo second thread is needed for that: begin with one."
        )
    assert len(seen) >= len(told_and_right), (
        f"{told_and_right[len(seen)][0]} did not come back, with one thread only.\n"
        "Does it wait for a lock that this thread holds already?"
    )


@pytest.mark.points(0.75)
def test_no_deposit_is_lost(explore):
    """Deposits on one account at the same time all arrive."""
    explore("deposits")


@pytest.mark.points(0.75)
def test_nobody_withdraws_what_is_not_there(explore):
    """Withdrawals at the same time never take more than there is."""
    explore("withdrawals")


@pytest.mark.points(0.75)
def test_an_update_is_one_piece(explore):
    """No other operation comes between an update's reading and its writing."""
    explore("updates")


@pytest.mark.points(0.75)
def test_transfers_make_and_lose_no_money(explore):
    """A transfer that meets other operations makes and loses no money."""
    explore("transfers")


@pytest.mark.points(0.75)
def test_opposite_transfers_end(explore):
    """Transfers in opposite directions do not wait for each other for ever."""
    explore("opposite_transfers")


@pytest.mark.points(0.75)
def test_every_count_counts(explore):
    """Who counts on one counter at the same time loses none."""
    explore("counting")


@pytest.mark.points(0.5)
@pytest.mark.kind("speedup")
@pytest.mark.needs("test_one_thread", "test_an_update_is_one_piece")
def test_accounts_do_not_wait_for_each_other(driver):
    """Updates of different accounts run at the same time."""
    met, balances = expect_type(driver.side_by_side(), tuple[list[bool], list[int]], "who met whom, and two balances")
    assert met == [True, True], (
        "Two threads updated two different accounts, and the second got into its function only when the first was out "
        "of its own.\nWhat do the two accounts share that makes one wait for the other?"
    )
    assert balances == [11, 21], f"The balances are {shorten(balances)}; right is [11, 21]."


@pytest.mark.points(0.5)
@pytest.mark.kind("determinism")
@pytest.mark.needs("test_one_thread")
def test_every_order_has_the_same_end(explore):
    """A deposit, a transfer and a withdrawal end the same in whatever order they run."""
    explore("any_order")


@pytest.mark.points(0.5)
@pytest.mark.kind("cleanup")
def test_nothing_is_left_behind(driver):
    """No thread or process of its own stays behind."""
    seen = driver.observe("busy")
    assert_clean(seen)
    assert seen.error is None, f"On the way there, race.py raised {seen.error}"
