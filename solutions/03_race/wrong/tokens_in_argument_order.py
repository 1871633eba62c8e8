# fails: test_opposite_transfers_end
# mistake: takes the accounts' tokens in the order of the arguments
import queue


class Account:
    def __init__(self, balance=0):
        self.balance = balance
        self._token = queue.Queue()
        self._token.put(None)

    def __enter__(self):
        self._token.get()

    def __exit__(self, *error):
        self._token.put(None)

    def deposit(self, amount):
        with self:
            self.balance += amount

    def withdraw(self, amount):
        with self:
            if self.balance < amount:
                return False
            self.balance -= amount
            return True

    def update(self, function):
        with self:
            self.balance = function(self.balance)
            return self.balance


def transfer(source, target, amount):
    if source is target:
        return source.balance >= amount
    with source, target:
        if source.balance < amount:
            return False
        source.balance -= amount
        target.balance += amount
        return True


def add_many(counter, n):
    for _ in range(n):
        with counter.get_lock():
            counter.value += 1
