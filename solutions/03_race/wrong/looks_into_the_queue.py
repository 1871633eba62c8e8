# fails: test_nobody_withdraws_what_is_not_there
# mistake: looks into the queue first and takes the balance out then
import queue


class Account:
    def __init__(self, balance=0):
        self._box = queue.Queue()
        self._box.put(balance)

    @property
    def balance(self):
        balance = self._box.get()
        self._box.put(balance)
        return balance

    def deposit(self, amount):
        self._box.put(self._box.get() + amount)

    def withdraw(self, amount):
        if self.balance < amount:
            return False
        self._box.put(self._box.get() - amount)
        return True

    def update(self, function):
        balance = self._box.get()
        try:
            balance = function(balance)
        finally:
            self._box.put(balance)
        return balance


def transfer(source, target, amount):
    if not source.withdraw(amount):
        return False
    target.deposit(amount)
    return True


def add_many(counter, n):
    for _ in range(n):
        with counter.get_lock():
            counter.value += 1
