# fails: test_an_update_is_one_piece
# mistake: waits for its turn once, and does not look again when it is woken
import threading


class Account:
    def __init__(self, balance=0):
        self.balance = balance
        self._turn = threading.Condition()
        self._busy = False

    def __enter__(self):
        with self._turn:
            if self._busy:
                self._turn.wait()
            self._busy = True

    def __exit__(self, *error):
        with self._turn:
            self._busy = False
            self._turn.notify_all()

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
    if not source.withdraw(amount):
        return False
    target.deposit(amount)
    return True


def add_many(counter, n):
    for _ in range(n):
        with counter.get_lock():
            counter.value += 1
