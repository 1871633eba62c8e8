"""The balance itself lies in a SimpleQueue: taken out by whoever works on it."""

from queue import SimpleQueue


class Account:
    def __init__(self, balance=0):
        self._box = SimpleQueue()
        self._box.put(balance)

    @property
    def balance(self):
        balance = self._box.get()
        self._box.put(balance)
        return balance

    def deposit(self, amount):
        self._box.put(self._box.get() + amount)

    def withdraw(self, amount):
        balance = self._box.get()
        enough = balance >= amount
        self._box.put(balance - amount if enough else balance)
        return enough

    def update(self, function):
        balance = self._box.get()
        try:
            balance = function(balance)
        finally:
            self._box.put(balance)
        return balance


def transfer(source, target, amount):
    if source.withdraw(amount):
        target.deposit(amount)
        return True
    return False


def add_many(counter, n):
    with counter.get_lock():
        counter.value += n
