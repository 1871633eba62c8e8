"""The balance itself is the token in a queue of one place: whoever holds it may change it, the others wait in get()."""

import queue


class Account:
    def __init__(self, balance=0):
        self._cell = queue.Queue(maxsize=1)
        self._cell.put(balance)

    @property
    def balance(self):
        value = self._cell.get()
        self._cell.put(value)
        return value

    def update(self, function):
        value = self._cell.get()
        try:
            value = function(value)
        finally:
            self._cell.put(value)  # the old one if function raised
        return value

    def deposit(self, amount):
        self.update(lambda value: value + amount)

    def withdraw(self, amount):
        answer = False

        def take(value):
            nonlocal answer
            answer = value >= amount
            return value - amount if answer else value

        self.update(take)
        return answer


def transfer(source, target, amount):
    return source.withdraw(amount) and (target.deposit(amount) is None)


def add_many(counter, n):
    raw = counter.get_obj()
    for _ in range(n):
        with counter.get_lock():
            raw.value += 1
