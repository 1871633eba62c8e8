# fails: test_no_deposit_is_lost
# mistake: no lock, and the balance is changed by getattr and setattr
class Account:
    def __init__(self, balance=0):
        self.balance = balance

    def deposit(self, amount):
        setattr(self, "balance", getattr(self, "balance") + amount)

    def withdraw(self, amount):
        if getattr(self, "balance") < amount:
            return False
        setattr(self, "balance", getattr(self, "balance") - amount)
        return True

    def update(self, function):
        setattr(self, "balance", function(getattr(self, "balance")))
        return getattr(self, "balance")


def transfer(source, target, amount):
    if not source.withdraw(amount):
        return False
    target.deposit(amount)
    return True


def add_many(counter, n):
    for _ in range(n):
        with counter.get_lock():
            counter.value += 1
