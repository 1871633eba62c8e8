"""A home-made fair ticket lock (first come, first served, built on a Condition), fully typed; transfer locks in the order of account numbers."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Callable, Optional, Type


class TicketLock:
    """Mutual exclusion in the order of arrival."""

    __slots__ = ("_turn", "_next_ticket", "_now_serving")

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._next_ticket: int = 0
        self._now_serving: int = 0

    def __enter__(self) -> "TicketLock":
        with self._turn:
            ticket = self._next_ticket
            self._next_ticket += 1
            while ticket != self._now_serving:
                self._turn.wait()
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        with self._turn:
            self._now_serving += 1
            self._turn.notify_all()


class Account:
    _number_lock = threading.Lock()
    _last_number = 0

    def __init__(self, balance: int = 0) -> None:
        with Account._number_lock:
            Account._last_number += 1
            self._number: int = Account._last_number
        self._queue = TicketLock()
        self._balance: int = balance

    def __repr__(self) -> str:
        return f"<Account {self._number}>"

    @property
    def balance(self) -> int:
        with self._queue:
            return self._balance

    def deposit(self, amount: int) -> None:
        with self._queue:
            self._balance += amount

    def withdraw(self, amount: int) -> bool:
        with self._queue:
            if self._balance < amount:
                return False
            self._balance -= amount
            return True

    def update(self, function: Callable[[int], int]) -> int:
        with self._queue:
            new: int = function(self._balance)
            self._balance = new
            return new


def transfer(source: Account, target: Account, amount: int) -> bool:
    if source._number == target._number:
        return source.balance >= amount
    low, high = (source, target) if source._number < target._number else (target, source)
    with low._queue, high._queue:
        if source._balance < amount:
            return False
        source._balance -= amount
        target._balance += amount
        return True


def add_many(counter, n: int) -> None:
    for _ in range(n):
        counter.acquire()
        try:
            counter.value += 1
        finally:
            counter.release()
