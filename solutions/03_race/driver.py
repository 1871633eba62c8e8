"""Runs beside the student's module: who meets whom on which account, and a counter that shows whether it was locked."""

import contextlib
import itertools
import multiprocessing
import threading
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

Report = dict[str, Any]
Cases = list[dict[str, Any]]
#: Longer than two threads need to come to the same place, on any machine. Only who never comes makes others wait for it.
PATIENCE = 2.5

_LOST = "A balance was computed from a number that another thread had changed meanwhile. Which lines belong together?"
_CHECK = "What was true when it was checked was not true any more when it was acted on. Which lines belong together?"
_SEEN = "Others can look at any moment, also in the middle of what you do. What do they see there?"
_ONCE = "Reading the balance, calling the function (once!) and storing its result belong together for all others."
_ITSELF = "Source and target may be the same account: what is done twice then?"
_RAISED = "When the function raises, the balance stays, and whatever update has taken is given back."
_REFUSED = "A withdrawal that is refused leaves all as it was: what it has taken it gives back."
_COUNTER = "counter.value += 1 reads and writes. Which lock do all processes that count share?"


class _Double:
    """A function for update. Counts how often it was called."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, balance: int) -> int:
        self.calls += 1
        return 2 * balance


def _slow(balance: int) -> int:
    time.sleep(0.001)  # explored, it costs nothing: the others go on
    return balance + 1


def _no(_balance: int) -> int:
    raise ValueError("no")


def _case(
    calls: tuple[str, ...],
    balances: tuple[int, ...],
    *ends: dict[str, Any],
    uses: tuple[str, ...],
    lesson: str = _LOST,
    answers: bool = True,
    turned: bool = False,
) -> dict[str, Any]:
    """An interleavings.Case: threads that make `calls`, one each, on accounts with these balances, called a, b, c.

    `turned` turns the order in which the accounts are made, and that of their ids: solutions may go by either.

    It may end in one of `ends`: the balances, and (if asked for) what the calls answered, in their order. Each `double`
    in the calls is called once.
    """
    names = [*"abc"[: len(balances)], "double", "counter"]
    doubles = sum(call.count("double") for call in calls)

    def setup(race: ModuleType) -> tuple[Any, ...]:
        return (*_accounts(race, balances, turned), _Double(), _Counter())

    def outcome(results: list[object], *shared: Any) -> dict[str, Any]:
        *accounts, double, counter = shared
        end: dict[str, Any] = {name: account.balance for name, account in zip(names, accounts, strict=False)}
        if not accounts:
            end["counter"] = counter.get_obj().value
        if answers:
            end["answers"] = results
        if doubles:
            end["calls of double"] = double.calls
        return end

    return {
        "calls": calls,
        "setup": setup,
        "workers": tuple(_worker(call, names) for call in calls),
        "outcome": outcome,
        "allowed": tuple({**end, **({"calls of double": doubles} if doubles else {})} for end in ends),
        "uses": uses,
        "lesson": lesson,
    }


def _accounts(race: ModuleType, balances: tuple[int, ...], turned: bool) -> list[Any]:
    """Accounts with these balances; both when made and by its id each comes after the one before it, or before it."""
    refused = []  # kept, so that their places are not given out again
    for _ in range(50):
        made: list[Any] = []
        for balance in balances[::-1] if turned else balances:
            choice = [race.Account(balance) for _ in balances]
            refused += choice
            higher = [account for account in choice if not made or id(account) > id(made[-1])]
            # The lowest that will do leaves most room for those to come.
            made.append(min(higher or choice, key=id))
        places = [id(account) for account in made]
        if places == sorted(places):
            break
    return made[::-1] if turned else made


def _worker(call: str, names: list[str]) -> Callable[..., object]:
    for function in ("transfer(", "add_many("):
        call = call.replace(function, f"race.{function}")
    worker: Callable[..., object] = eval(f"lambda race, {', '.join(names)}: {call}", {"no": _no, "slow": _slow})
    return worker


def _both_ways(calls: tuple[str, ...], balances: tuple[int, ...], *ends: dict[str, Any], **options: Any) -> Cases:
    """The case with its accounts in either order."""
    return [_case(calls, balances, *ends, **options, turned=turned) for turned in (False, True)]


def _explore(challenge: str, *cases: dict[str, Any]) -> Report:
    from autograder.measure import interleavings  # spawned children, which import this too, do not have it

    # Breaks without locks, however an account is made: both see enough money. So the explorer can see the code.
    proof = _case(
        ("a.withdraw(80)", "a.withdraw(90)"),
        (100,),
        {"a": 20, "answers": [True, False]},
        {"a": 10, "answers": [False, True]},
        uses=("withdraw",),
    )
    *made, shown = (interleavings.Case(**case) for case in (*cases, proof))
    return interleavings.explore("race", made, challenge, shown)


# -- one thread


def alone() -> list[object]:
    """What a single thread gets, call by call, up to the first that does not come back."""
    import race

    seen: list[object] = []

    def work() -> None:
        empty, rich, other = race.Account(), race.Account(100), race.Account(5)
        seen.extend((empty.balance, rich.balance))
        seen.append(rich.deposit(20))
        seen.append(rich.balance)
        for amount in (50, 71, 70):
            seen.append(rich.withdraw(amount))
            seen.append(rich.balance)
        seen.append(other.update(lambda balance: balance * 3))
        seen.append(other.balance)
        for amount in (16, 15):
            seen.append(race.transfer(other, rich, amount))
            seen.extend((other.balance, rich.balance))

    _run(work)
    return seen


# -- threads that meet; each of these is explored


def deposits(*, challenge: str) -> Report:
    """Two deposits on one account."""
    return _explore(
        challenge,
        _case(("a.deposit(5)", "a.deposit(7)"), (0,), {"a": 12}, uses=("deposit",), answers=False),
    )


def withdrawals(*, challenge: str) -> Report:
    """Two withdrawals where there is enough for one, and one that meets a deposit: it succeeds, or is refused."""
    return _explore(
        challenge,
        _case(
            ("a.withdraw(80)", "a.withdraw(70)"),
            (100,),
            {"a": 20, "answers": [True, False]},
            {"a": 30, "answers": [False, True]},
            uses=("withdraw",),
            lesson=_CHECK,
        ),
        _case(
            ("a.withdraw(80)", "a.deposit(50)"),
            (90,),
            {"a": 60, "answers": [True, None]},
            uses=("withdraw", "deposit"),
        ),
        _case(
            ("a.withdraw(60)", "a.deposit(5)"),
            (50,),
            {"a": 55, "answers": [False, None]},
            uses=("withdraw", "deposit"),
            lesson=_REFUSED,
        ),
    )


def updates(*, challenge: str) -> Report:
    """update meets update, deposit and withdraw; three meet who are slow."""
    return _explore(
        challenge,
        _case(
            ("a.update(double)", "a.update(double)"),
            (10,),
            {"a": 40, "answers": [20, 40]},
            {"a": 40, "answers": [40, 20]},
            uses=("update",),
            lesson=_ONCE,
        ),
        _case(
            ("a.update(double)", "a.deposit(5)"),
            (10,),
            {"a": 25, "answers": [20, None]},
            {"a": 30, "answers": [30, None]},
            uses=("update", "deposit"),
            lesson=_ONCE,
        ),
        _case(
            ("a.update(double)", "a.withdraw(8)"),
            (10,),
            {"a": 12, "answers": [20, True]},
            {"a": 4, "answers": [4, True]},
            uses=("update", "withdraw"),
            lesson=_ONCE,
        ),
        _case(
            ("a.update(slow)", "a.update(slow)", "a.update(slow)"),
            (0,),
            *({"a": 3, "answers": list(answers)} for answers in itertools.permutations((1, 2, 3))),
            uses=("update",),
            lesson=_ONCE,
        ),
    )


def transfers(*, challenge: str) -> Report:
    """A transfer meets whatever else uses one of its accounts."""
    return _explore(
        challenge,
        *_both_ways(
            ("transfer(a, b, 80)", "a.withdraw(70)"),
            (100, 0),
            {"a": 20, "b": 80, "answers": [True, False]},
            {"a": 30, "b": 0, "answers": [False, True]},
            uses=("transfer", "withdraw"),
            lesson=_CHECK,
        ),
        *_both_ways(
            ("transfer(a, b, 80)", "b.deposit(5)"),
            (100, 0),
            {"a": 20, "b": 85, "answers": [True, None]},
            uses=("transfer", "deposit"),
        ),
        *_both_ways(
            ("transfer(a, b, 80)", "a.update(double)"),
            (100, 0),
            {"a": 40, "b": 80, "answers": [True, 40]},
            {"a": 120, "b": 80, "answers": [True, 200]},
            uses=("transfer", "update"),
        ),
    )


def opposite_transfers(*, challenge: str) -> Report:
    """Two transfers between the same accounts, there and back."""
    return _explore(
        challenge,
        *_both_ways(
            ("transfer(a, b, 3)", "transfer(b, a, 4)"),
            (10, 10),
            {"a": 11, "b": 9, "answers": [True, True]},
            uses=("transfer",),
        ),
    )


def any_order(*, challenge: str) -> Report:
    """Three threads whose work commutes: there is one end."""
    return _explore(
        challenge,
        *_both_ways(
            ("a.deposit(10)", "transfer(a, b, 30)", "b.withdraw(20)"),
            (100, 50),
            {"a": 80, "b": 60, "answers": [None, True, True]},
            uses=("deposit", "transfer", "withdraw"),
        ),
    )


def observers(*, challenge: str) -> Report:
    """Somebody looks, first at b, while money moves."""
    return _explore(
        challenge,
        *_both_ways(
            ("transfer(a, b, 60)", "(b.balance, a.balance)"),
            (100, 0),
            *({"a": 40, "b": 60, "answers": [True, seen]} for seen in ([0, 100], [0, 40], [60, 40])),
            uses=("transfer",),
            lesson=_SEEN,
        ),
        *_both_ways(
            ("transfer(a, b, 60)", "(b.balance, a.balance)"),
            (50, 0),
            {"a": 50, "b": 0, "answers": [False, [0, 50]]},
            uses=("transfer",),
            lesson=_SEEN,
        ),
        _case(
            ("a.withdraw(60)", "a.balance"),
            (50,),
            {"a": 50, "answers": [False, 50]},
            uses=("withdraw",),
            lesson=_SEEN,
        ),
        _case(
            ("a.update(double)", "a.balance"),
            (50,),
            *({"a": 100, "answers": [100, seen]} for seen in (50, 100)),
            uses=("update",),
            lesson=_SEEN,
        ),
    )


def raising(*, challenge: str) -> Report:
    """A function that raises within update meets a deposit."""
    return _explore(
        challenge,
        _case(
            ("a.update(no)", "a.deposit(5)"),
            (10,),
            {"a": 15},
            uses=("update", "deposit"),
            lesson=_RAISED,
            answers=False,
        ),
    )


def to_itself(*, challenge: str) -> Report:
    """transfer(a, a, ...) meets a deposit."""
    return _explore(
        challenge,
        *(
            _case(
                (f"transfer(a, a, {amount})", "a.deposit(5)"),
                (10,),
                {"a": 15, "answers": [enough, None]},
                uses=("transfer",),
                lesson=_ITSELF,
            )
            for amount, enough in ((1, True), (99, False))
        ),
    )


def ring(*, challenge: str) -> Report:
    """Three transfers in a ring."""
    return _explore(
        challenge,
        _case(
            ("transfer(a, b, 1)", "transfer(b, c, 2)", "transfer(c, a, 3)"),
            (5, 5, 5),
            {"a": 7, "b": 4, "c": 4, "answers": [True, True, True]},
            uses=("transfer",),
        ),
    )


def scarce(*, challenge: str) -> Report:
    """Transfers compete for what is there, share a target, and bring what another needs."""
    return _explore(
        challenge,
        *_both_ways(
            ("transfer(a, b, 80)", "transfer(a, c, 70)"),
            (100, 0, 0),
            {"a": 20, "b": 80, "c": 0, "answers": [True, False]},
            {"a": 30, "b": 0, "c": 70, "answers": [False, True]},
            uses=("transfer",),
            lesson=_CHECK,
        ),
        *_both_ways(
            ("transfer(a, c, 40)", "transfer(b, c, 50)"),
            (40, 50, 1),
            {"a": 0, "b": 0, "c": 91, "answers": [True, True]},
            uses=("transfer",),
        ),
        *_both_ways(
            ("transfer(a, b, 80)", "b.withdraw(80)"),
            (80, 0),
            {"a": 0, "b": 0, "answers": [True, True]},
            {"a": 0, "b": 80, "answers": [True, False]},
            uses=("transfer", "withdraw"),
        ),
    )


def counting(*, challenge: str) -> Report:
    """Two count on one counter."""
    return _explore(
        challenge,
        _case(
            ("add_many(counter, 2)", "add_many(counter, 1)"),
            (),
            {"counter": 3},
            uses=("add_many",),
            lesson=_COUNTER,
            answers=False,
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
        # In a thread of its own: the lock tells its holder by process and thread.
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


def _bank() -> ModuleType:
    """The student's module with the locks that it has where it is explored: it shall not tell one from the other."""
    from autograder.measure import interleavings

    interleavings.install()
    import race

    return race


def side_by_side() -> tuple[list[bool], list[int]]:
    """Two updates of two accounts: was each within its function while the other was, and the balances."""
    start, inside = threading.Barrier(2), threading.Barrier(2)
    met = []
    race = _bank()

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
    return met, [account.balance for account in accounts]


def others_go_on() -> tuple[list[str], list[int]]:
    """While one account is within a slow update: what comes to its end on other accounts?"""
    within, done = threading.Event(), threading.Event()
    race = _bank()
    slow, one, two = race.Account(1), race.Account(100), race.Account(0)
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


def busy() -> None:
    """A little of everything, by threads that do not meet."""
    import race

    def work() -> None:
        one, two = race.Account(100), race.Account(100)
        for _ in range(20):
            one.deposit(1)
            race.transfer(one, two, 5)
            two.update(lambda balance: balance + 1)
            two.withdraw(2)
        with contextlib.suppress(ValueError):
            one.update(_no)

    _run(work, work, work)
    counter = multiprocessing.get_context("fork").Value("q", 0)
    race.add_many(counter, 10)


def _run(*functions: Callable[[], None]) -> None:
    """Run each in a thread of its own; raise what one of them raised. Who never ends is waited for long, but not for ever."""
    raised: list[BaseException] = []

    def guarded(function: Callable[[], None]) -> None:
        try:
            function()
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=guarded, args=(function,), daemon=True) for function in functions]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 2 * PATIENCE
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    if raised:
        raise raised[0]
