# fails: test_nobody_withdraws_what_is_not_there
# mistake: keeps the token where there is not enough money
import queue


class Account:
    def __init__(self, balance=0):
        self.balance = balance
        self._token = queue.Queue()
        self._token.put("token")

    def deposit(self, amount):
        token = self._token.get()
        self.balance += amount
        self._token.put(token)

    def withdraw(self, amount):
        token = self._token.get()
        if self.balance < amount:
            return False
        self.balance -= amount
        self._token.put(token)
        return True

    def update(self, function):
        token = self._token.get()
        try:
            self.balance = function(self.balance)
            return self.balance
        finally:
            self._token.put(token)


def transfer(source, target, amount):
    if not source.withdraw(amount):
        return False
    target.deposit(amount)
    return True


def add_many(counter, n):
    for _ in range(n):
        with counter.get_lock():
            counter.value += 1
