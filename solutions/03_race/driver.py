"""Runs beside the student's module: who meets whom on which account, and a counter that shows whether it was locked."""

import multiprocessing
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

Outcome = dict[str, Any]
#: The fields of an interleavings.Case, of which spawned children know nothing.
Case = dict[str, Any]
#: Longer than two threads need to come to the same place, on any machine. Only who never comes makes others wait for it.
PATIENCE = 2.5

_LOST = "A balance was computed from a number that another thread had changed meanwhile. Which lines belong together?"
_CHECK = "What was true when it was checked was not true any more when it was acted on. Which lines belong together?"
_SEEN = "Others can look at any moment, also in the middle of what you do. What do they see there?"


def _case(
    calls: dict[str, Callable[..., object]],
    balances: tuple[int, ...],
    *allowed: Outcome,
    uses: tuple[str, ...],
    lesson: str = _LOST,
    answers: bool = True,
) -> Case:
    """Threads that make `calls` on the accounts a, b, c; the outcome is the balances, and the answers in their order."""

    def setup(race: ModuleType) -> tuple[Any, ...]:
        return tuple(race.Account(balance) for balance in balances)

    def outcome(results: list[object], *accounts: Any) -> Outcome:
        ends: Outcome = {name: account.balance for name, account in zip("abc", accounts, strict=False)}
        return {**ends, "answers": results} if answers else ends

    return dict(
        calls=tuple(calls),
        setup=setup,
        workers=tuple(calls.values()),
        outcome=outcome,
        allowed=allowed,
        uses=uses,
        lesson=lesson,
    )


def _explore(challenge: str, *cases: Case) -> dict[str, Any]:
    from autograder.measure import interleavings

    # Breaks without locks, however an account is made: both see enough money. Shows that the explorer sees the code.
    take = {"a.withdraw(80)": lambda race, a: a.withdraw(80), "a.withdraw(90)": lambda race, a: a.withdraw(90)}
    proof = _case(
        take,
        (100,),
        {"a": 20, "answers": [True, False]},
        {"a": 10, "answers": [False, True]},
        uses=("withdraw",),
    )
    made = [interleavings.Case(**case) for case in (*cases, proof)]
    return interleavings.explore("race", made[:-1], challenge, made[-1])


# -- one thread


def alone() -> list[object]:
    """What a single thread gets, call by call."""
    import race

    empty, rich, other = race.Account(), race.Account(100), race.Account(5)
    seen: list[object] = [empty.balance, rich.balance]
    seen += [rich.deposit(20), rich.balance]
    seen += [rich.withdraw(50), rich.balance, rich.withdraw(71), rich.balance, rich.withdraw(70), rich.balance]
    seen += [other.update(lambda balance: balance * 3), other.balance]
    seen += [race.transfer(other, rich, 16), other.balance, rich.balance]
    seen += [race.transfer(other, rich, 15), other.balance, rich.balance]
    return seen


# -- threads that meet; each of these is explored


def deposits(*, challenge: str) -> dict[str, Any]:
    """Two deposits on one account."""
    calls = {"a.deposit(5)": lambda race, a: a.deposit(5), "a.deposit(7)": lambda race, a: a.deposit(7)}
    return _explore(challenge, _case(calls, (0,), {"a": 12}, uses=("deposit",), answers=False))


def withdrawals(*, challenge: str) -> dict[str, Any]:
    """Two withdrawals where there is enough for one, and one that meets the deposit that it needs."""
    twice = {"a.withdraw(80)": lambda race, a: a.withdraw(80), "a.withdraw(70)": lambda race, a: a.withdraw(70)}
    late = {"a.withdraw(80)": lambda race, a: a.withdraw(80), "a.deposit(50)": lambda race, a: a.deposit(50)}
    return _explore(
        challenge,
        _case(
            twice,
            (100,),
            {"a": 20, "answers": [True, False]},
            {"a": 30, "answers": [False, True]},
            uses=("withdraw",),
            lesson=_CHECK,
        ),
        _case(
            late,
            (50,),
            {"a": 20, "answers": [True, None]},
            {"a": 100, "answers": [False, None]},
            uses=("withdraw", "deposit"),
        ),
    )


class _Doubling:
    """A function for update that counts how often it was called."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, balance: int) -> int:
        self.calls += 1
        return 2 * balance


def updates(*, challenge: str) -> dict[str, Any]:
    """update meets update, deposit and withdraw."""

    def setup(race: ModuleType) -> tuple[Any, ...]:
        return race.Account(10), _Doubling(), _Doubling()

    both = dict(
        calls=("a.update(double)", "a.update(double)"),
        setup=setup,
        workers=(lambda race, a, one, two: a.update(one), lambda race, a, one, two: a.update(two)),
        outcome=lambda results, a, one, two: {
            "a": a.balance,
            "answers": results,
            "calls of double": [one.calls, two.calls],
        },
        allowed=(
            {"a": 40, "answers": [20, 40], "calls of double": [1, 1]},
            {"a": 40, "answers": [40, 20], "calls of double": [1, 1]},
        ),
        uses=("update",),
        lesson="Reading the balance, calling the function (once!) and storing its result belong together for all others.",
    )
    calls = {"a.update(double)": lambda race, a: a.update(_Doubling()), "a.deposit(5)": lambda race, a: a.deposit(5)}
    deposit = _case(
        calls,
        (10,),
        {"a": 25, "answers": [20, None]},
        {"a": 30, "answers": [30, None]},
        uses=("update", "deposit"),
    )
    calls = {"a.update(double)": lambda race, a: a.update(_Doubling()), "a.withdraw(8)": lambda race, a: a.withdraw(8)}
    withdraw = _case(
        calls, (10,), {"a": 12, "answers": [20, True]}, {"a": 4, "answers": [4, True]}, uses=("update", "withdraw")
    )
    return _explore(challenge, both, deposit, withdraw)


def transfers(*, challenge: str) -> dict[str, Any]:
    """A transfer meets whatever else uses one of its accounts."""
    move = {"transfer(a, b, 80)": lambda race, a, b: race.transfer(a, b, 80)}
    return _explore(
        challenge,
        _case(
            {**move, "a.withdraw(70)": lambda race, a, b: a.withdraw(70)},
            (100, 0),
            {"a": 20, "b": 80, "answers": [True, False]},
            {"a": 30, "b": 0, "answers": [False, True]},
            uses=("transfer", "withdraw"),
            lesson=_CHECK,
        ),
        _case(
            {**move, "b.deposit(5)": lambda race, a, b: b.deposit(5)},
            (100, 0),
            {"a": 20, "b": 85, "answers": [True, None]},
            uses=("transfer", "deposit"),
        ),
        _case(
            {**move, "a.update(double)": lambda race, a, b: a.update(_Doubling())},
            (100, 0),
            {"a": 40, "b": 80, "answers": [True, 40]},
            {"a": 120, "b": 80, "answers": [True, 200]},
            uses=("transfer", "update"),
        ),
    )


def opposite_transfers(*, challenge: str) -> dict[str, Any]:
    """Two transfers between the same accounts, there and back."""
    calls = {
        "transfer(a, b, 3)": lambda race, a, b: race.transfer(a, b, 3),
        "transfer(b, a, 4)": lambda race, a, b: race.transfer(b, a, 4),
    }
    return _explore(
        challenge, _case(calls, (10, 10), {"a": 11, "b": 9, "answers": [True, True]}, uses=("transfer",))
    )


def any_order(*, challenge: str) -> dict[str, Any]:
    """Three threads whose work commutes: there is one end."""
    calls = {
        "a.deposit(10)": lambda race, a, b: a.deposit(10),
        "transfer(a, b, 30)": lambda race, a, b: race.transfer(a, b, 30),
        "b.update(add_one)": lambda race, a, b: b.update(lambda balance: balance + 1),
    }
    return _explore(
        challenge,
        _case(calls, (100, 0), {"a": 80, "b": 31}, uses=("deposit", "transfer", "update"), answers=False),
    )


def observers(*, challenge: str) -> dict[str, Any]:
    """Somebody looks while money moves."""

    def look(race: ModuleType, a: Any, b: Any) -> list[int]:
        there = b.balance
        return [there, a.balance]

    def looked(move: str, mover: Callable[..., object], balances: tuple[int, int], *allowed: list[int]) -> Case:
        return dict(
            calls=(move, "b.balance, then a.balance"),
            setup=lambda race: tuple(race.Account(balance) for balance in balances),
            workers=(mover, look),
            outcome=lambda results, a, b: {"seen": results[1]},
            allowed=tuple({"seen": seen} for seen in allowed),
            uses=("transfer",) if "transfer" in move else (),
            lesson=_SEEN,
        )

    return _explore(
        challenge,
        looked("transfer(a, b, 60)", lambda race, a, b: race.transfer(a, b, 60), (100, 0), [0, 100], [0, 40], [60, 40]),
        looked("transfer(a, b, 60)", lambda race, a, b: race.transfer(a, b, 60), (50, 0), [0, 50]),
        looked("a.withdraw(60)", lambda race, a, b: a.withdraw(60), (50, 0), [0, 50]),
        looked("a.update(double)", lambda race, a, b: a.update(_Doubling()), (50, 0), [0, 50], [0, 100]),
    )


def raising(*, challenge: str) -> dict[str, Any]:
    """A function that raises within update meets a deposit."""

    def fails(race: ModuleType, a: Any) -> None:
        def function(balance: int) -> int:
            raise ValueError("no")

        try:
            a.update(function)
        except ValueError:
            pass

    calls = {"a.update(raises)": fails, "a.deposit(5)": lambda race, a: a.deposit(5)}
    lesson = "When function raises, the balance stays, and whatever update has taken is given back."
    return _explore(
        challenge, _case(calls, (10,), {"a": 15}, uses=("update", "deposit"), lesson=lesson, answers=False)
    )


def to_itself(*, challenge: str) -> dict[str, Any]:
    """transfer(a, a, ...) meets a deposit."""
    lesson = "Source and target may be the same account: what of it is done twice then?"
    enough = {"transfer(a, a, 1)": lambda race, a: race.transfer(a, a, 1), "a.deposit(5)": lambda race, a: a.deposit(5)}
    short = {"transfer(a, a, 99)": lambda race, a: race.transfer(a, a, 99), "a.deposit(5)": lambda race, a: a.deposit(5)}
    return _explore(
        challenge,
        _case(enough, (10,), {"a": 15, "answers": [True, None]}, uses=("transfer",), lesson=lesson),
        _case(short, (10,), {"a": 15, "answers": [False, None]}, uses=("transfer",), lesson=lesson),
    )


def ring(*, challenge: str) -> dict[str, Any]:
    """Three transfers in a ring."""
    calls = {
        "transfer(a, b, 1)": lambda race, a, b, c: race.transfer(a, b, 1),
        "transfer(b, c, 2)": lambda race, a, b, c: race.transfer(b, c, 2),
        "transfer(c, a, 3)": lambda race, a, b, c: race.transfer(c, a, 3),
    }
    return _explore(
        challenge,
        _case(calls, (5, 5, 5), {"a": 7, "b": 4, "c": 4, "answers": [True, True, True]}, uses=("transfer",)),
    )


def scarce(*, challenge: str) -> dict[str, Any]:
    """Transfers compete for what is there, and share a target."""
    compete = {
        "transfer(a, b, 80)": lambda race, a, b, c: race.transfer(a, b, 80),
        "transfer(a, c, 70)": lambda race, a, b, c: race.transfer(a, c, 70),
    }
    share = {
        "transfer(a, c, 40)": lambda race, a, b, c: race.transfer(a, c, 40),
        "transfer(b, c, 50)": lambda race, a, b, c: race.transfer(b, c, 50),
    }
    needed = {
        "transfer(a, b, 80)": lambda race, a, b, c: race.transfer(a, b, 80),
        "b.withdraw(80)": lambda race, a, b, c: b.withdraw(80),
    }
    return _explore(
        challenge,
        _case(
            compete,
            (100, 0, 0),
            {"a": 20, "b": 80, "c": 0, "answers": [True, False]},
            {"a": 30, "b": 0, "c": 70, "answers": [False, True]},
            uses=("transfer",),
            lesson=_CHECK,
        ),
        _case(share, (40, 50, 1), {"a": 0, "b": 0, "c": 91, "answers": [True, True]}, uses=("transfer",)),
        _case(
            needed,
            (80, 0, 0),
            {"a": 0, "b": 0, "c": 0, "answers": [True, True]},
            {"a": 0, "b": 80, "c": 0, "answers": [True, False]},
            uses=("transfer", "withdraw"),
        ),
    )


# -- the counter


class _Cell:
    """What a counter's get_obj() gives."""

    value = 0


class _Counter:
    """To the eye a multiprocessing.Value, in truth shared between threads, which can be explored."""

    def __init__(self) -> None:
        self._cell = _Cell()
        self._lock = threading.RLock()
        self.acquire, self.release = self._lock.acquire, self._lock.release

    def get_obj(self) -> _Cell:
        return self._cell

    def get_lock(self) -> Any:
        return self._lock

    def __enter__(self) -> bool:
        return self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    @property
    def value(self) -> int:
        return self._cell.value

    @value.setter
    def value(self, value: int) -> None:
        self._cell.value = value


def counting(*, challenge: str) -> dict[str, Any]:
    """Two count on one counter."""
    case = dict(
        calls=("add_many(counter, 2)", "add_many(counter, 1)"),
        setup=lambda race: (_Counter(),),
        workers=(lambda race, counter: race.add_many(counter, 2), lambda race, counter: race.add_many(counter, 1)),
        outcome=lambda results, counter: {"counter": counter.get_obj().value},
        allowed=({"counter": 3},),
        uses=("add_many",),
        lesson="counter.value += 1 reads and writes. Which lock do all processes that count share?",
    )
    return _explore(challenge, case)


class _Meddled:
    """A Value on which another counts too, just before each write: whenever the Value's own lock is free."""

    def __init__(self, counter: Any, others: Any) -> None:
        self._counter = counter
        self._others = others

    def get_lock(self) -> Any:
        return self._counter.get_lock()

    def acquire(self, *arguments: Any, **named: Any) -> bool:
        return bool(self.get_lock().acquire(*arguments, **named))

    def release(self) -> None:
        self.get_lock().release()

    def __enter__(self) -> bool:
        return bool(self.get_lock().__enter__())

    def __exit__(self, *_: object) -> None:
        self.get_lock().release()

    def get_obj(self) -> Any:
        return self

    @property
    def value(self) -> int:
        return int(self._counter.get_obj().value)

    @value.setter
    def value(self, value: int) -> None:
        # In a thread of its own: the lock knows its holder by process and thread.
        other = threading.Thread(target=self._meddle)
        other.start()
        other.join()
        self._counter.get_obj().value = value

    def _meddle(self) -> None:
        if self.get_lock().acquire(False):
            self._counter.get_obj().value += 1
            self._others.value += 1
            self.get_lock().release()


def _count(counter: Any, n: int) -> None:
    import race

    race.add_many(counter, n)


def counted(n: int, start_method: str) -> tuple[int, int, int]:
    """What a counter shows in the end, what was counted, and failures: who counts meets another at each write."""
    context = multiprocessing.get_context(start_method)
    counter, others = context.Value("q", 0), context.Value("q", 0)
    failed = _joined(context, _Meddled(counter, others), [n])
    return counter.value, n + others.value, failed


def counted_together(amounts: list[int], start_method: str) -> tuple[int, int, int]:
    """What a counter shows in the end, what was counted, and failures: processes at their own pace."""
    context = multiprocessing.get_context(start_method)
    counter = context.Value("q", 0)
    failed = _joined(context, counter, amounts)
    return counter.value, sum(amounts), failed


def _joined(context: Any, counter: Any, amounts: list[int]) -> int:
    processes = [context.Process(target=_count, args=(counter, n)) for n in amounts]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return sum(process.exitcode != 0 for process in processes)


# -- at the same time


def side_by_side() -> dict[str, Any]:
    """Two updates of two accounts: is each within its function while the other is?"""
    import race

    start, inside = threading.Barrier(2), threading.Barrier(2)
    met = []

    def function(balance: int) -> int:
        try:
            inside.wait(PATIENCE)
            met.append(True)
        except threading.BrokenBarrierError:
            met.append(False)
        return balance + 1

    def work(account: Any) -> None:
        start.wait()
        account.update(function)

    accounts = [race.Account(10), race.Account(20)]
    _run(*(lambda account=account: work(account) for account in accounts))
    return {"met": met, "balances": [account.balance for account in accounts]}


def others_go_on() -> tuple[list[str], list[int]]:
    """While one account is within a slow update: what comes to its end on other accounts?"""
    import race

    slow, one, two = race.Account(1), race.Account(100), race.Account(0)
    within, done = threading.Event(), threading.Event()
    ended: list[str] = []
    in_time = []

    def function(balance: int) -> int:
        within.set()
        in_time.append(done.wait(PATIENCE))
        return balance + 1

    def work() -> None:
        within.wait()
        for name, step in {
            "reading a balance": lambda: one.balance,
            "deposit": lambda: two.deposit(5),
            "withdraw": lambda: one.withdraw(10),
            "update": lambda: two.update(lambda balance: balance + 1),
            "transfer": lambda: race.transfer(one, two, 40),
            "opening an account": lambda: race.Account(3),
        }.items():
            step()
            if not in_time:
                ended.append(name)
        done.set()

    _run(lambda: slow.update(function), work)
    return ended, [slow.balance, one.balance, two.balance]


def busy() -> list[int]:
    """A little of everything, by threads that come and go."""
    import race

    accounts = [race.Account(100) for _ in range(3)]

    def work() -> None:
        for turn in range(20):
            one, two = accounts[turn % 3], accounts[(turn + 1) % 3]
            one.deposit(1)
            race.transfer(one, two, 5)
            two.update(lambda balance: balance + 1)
            two.withdraw(2)

    _run(*[work] * 4)
    counter = multiprocessing.get_context("fork").Value("q", 0)
    race.add_many(counter, 10)
    return [sum(account.balance for account in accounts), counter.value]


def _run(*functions: Callable[[], None]) -> None:
    threads = [threading.Thread(target=function, daemon=True) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
