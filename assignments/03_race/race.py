"""A bank whose accounts are used by many threads at once, and a counter shared between processes.

It works, as long as nobody hurries: one thread at a time. Mend it so that it is right whatever the order in which
threads and processes take turns, without making those wait who have nothing to do with each other.
"""

import multiprocessing.sharedctypes
import threading
from collections.abc import Callable

class Account:
    """An account. Any number of threads may use it at the same time."""

    def __init__(self, balance: int = 0) -> None:
        self.balance = balance

    def deposit(self, amount: int) -> None:
        """Add `amount` to the balance."""
        self.balance += amount

    def withdraw(self, amount: int) -> bool:
        """Take `amount` from the balance, if there is enough: True. Else change nothing: False."""
        if self.balance < amount:
            return False
        self.balance -= amount
        return True

    def update(self, function: Callable[[int], int]) -> int:
        """Replace the balance by `function(balance)`, in one piece for all others, and return the new one.

        `function` is called exactly once. It may take long, does not touch the account, and never gives a negative
        number. If it raises, the balance is as before, and the account works as before.
        """
        self.balance = function(self.balance)
        return self.balance


def transfer(source: Account, target: Account, amount: int) -> bool:
    """Move `amount` from one account to the other, if there is enough: True. Else change nothing: False.

    Transfers in opposite directions do not wait for each other for ever, and `source` and `target` may be the same
    account. The money may be in neither account for a moment, but never in both.
    """
    if not source.withdraw(amount):
        return False
    target.deposit(amount)
    return True


def add_many(counter: multiprocessing.sharedctypes.Synchronized, n: int) -> None:
    """Add 1 to `counter`, a `multiprocessing.Value("q")`, n times, while other processes do the same."""
    for _ in range(n):
        counter.value += 1
