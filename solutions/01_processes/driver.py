"""Runs beside a submission of exercise 01: workers that meet, answer late, die or cannot answer, and starts that are slow or fail."""

import array
import contextlib
import errno
import hashlib
import multiprocessing.process
import multiprocessing.util
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

#: How long a worker waits for others that never come; only wrong solutions make it wait to the end.
PATIENCE = 5.0

_HAS_PROC = Path("/proc/self/schedstat").exists()


# -- waiting ----------------------------------------------------------------------------------------------


def _wait_until(condition: Callable[[], bool], folder: str) -> bool:
    """Wait until the condition holds; False when patience has run out, here or in another worker of the same call."""
    gave_up = Path(folder, "gave-up")
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline or gave_up.exists():
            gave_up.touch()
            return condition()
        time.sleep(0.002)
    return True


def _seconds_wanted(pid: int) -> float | None:
    """How long a process has run or has waited for a core; None when it has ended."""
    if not _HAS_PROC:
        return 0.0
    try:
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX":
            return None
        running, waiting, _ = Path(f"/proc/{pid}/schedstat").read_text().split()
    except OSError:
        return None
    return (int(running) + int(waiting)) / 1e9


def _linger(pid: int, idle: float) -> None:
    """Wait until a process has ended, or has wanted no core for `idle` seconds in all: it waits for something, then.

    The time for which it runs or waits for a core does not count, so that a loaded machine changes nothing.
    """
    begin, before = time.monotonic(), _seconds_wanted(pid) or 0.0
    while (wanted := _seconds_wanted(pid)) is not None:
        if time.monotonic() - begin - (wanted - before) > idle:
            return
        time.sleep(0.002)


@contextlib.contextmanager
def _folder() -> Iterator[str]:
    """Where the workers of one call leave marks for each other."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        yield str(Path(folder).resolve())


# -- starting ---------------------------------------------------------------------------------------------


def _after_every_start(hook: Callable[[int], None]) -> None:
    """From here on, call hook(pid) in the caller as soon as it has started a process."""
    seen = set()

    def once(pid: int) -> None:
        if pid not in seen:
            seen.add(pid)
            hook(pid)

    fork, start = os.fork, multiprocessing.process.BaseProcess.start

    def fork_then_hook() -> int:
        if pid := fork():
            once(pid)
        return pid

    def start_then_hook(process: Any) -> None:
        start(process)
        once(process.pid)

    os.fork = fork_then_hook
    multiprocessing.process.BaseProcess.start = start_then_hook  # type: ignore[method-assign]


def _no_more_than(limit: int) -> None:
    """From here on, starting a process fails as it does at the system's limit once `limit` have been started."""
    started = 0

    def count() -> None:
        nonlocal started
        started += 1
        if started > limit:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    fork, spawn = os.fork, multiprocessing.util.spawnv_passfds

    def counted_fork() -> int:
        count()
        return fork()

    def counted_spawn(path: Any, arguments: Any, descriptors: Any) -> int:
        if "--multiprocessing-fork" in arguments:  # a worker; Python starts its resource tracker the same way
            count()
        return spawn(path, arguments, descriptors)

    os.fork = counted_fork
    multiprocessing.util.spawnv_passfds = counted_spawn


def identify_slowly(n: int, start_method: str | None, idle: float) -> Any:
    """`identify` in a slow caller: it goes on from a start when that child has ended, or sits and waits.

    So every child is also there for long enough to be seen from outside, even if it is killed later on.
    """
    _after_every_start(lambda pid: _linger(pid, idle))
    import processes

    return processes.identify(n) if start_method is None else processes.identify(n, start_method)


def identify_in_reverse(n: int) -> Any:
    """`identify` with forked children of which the first ones need longest until they run."""
    forked = 0

    def count() -> None:
        nonlocal forked
        forked += 1

    os.register_at_fork(before=count, after_in_child=lambda: time.sleep(0.25 * max(0, n - forked)))
    import processes

    return processes.identify(n, "fork")


def at_the_limit(function: str, n: int, limit: int, start_method: str) -> Any:
    """`identify`, or `run_all` with workers that sleep for very long, where only `limit` processes can be started."""
    _no_more_than(limit)
    import processes

    if function == "identify":
        return processes.identify(n, start_method)
    return processes.run_all(sleep_long, list(range(n)), start_method)


def sleep_long(_: int) -> None:
    time.sleep(600)


_here_only = "as imported"


def how_they_start() -> dict[str, Any]:
    """Both functions under both methods in one caller: how often it forked, and what its workers know of it."""
    global _here_only
    forked = 0

    def count() -> None:
        nonlocal forked
        forked += 1

    os.register_at_fork(before=count)
    _here_only = "changed by the caller"
    import processes

    seen: dict[str, Any] = {}
    for method in ("spawn", "fork"):
        forked = 0
        processes.identify(2, method)
        seen[f"forks of identify, {method}"] = forked
        seen[f"workers of run_all, {method}"] = processes.run_all(what_it_knows, [0, 1], method)
    return seen


def what_it_knows(_: int) -> str:
    """A forked worker has the caller's variables; a spawned one has imported this module afresh."""
    return _here_only


# -- workers of run_all -----------------------------------------------------------------------------------


def run_all_meeting(n: int, start_method: str) -> Any:
    """`run_all` with workers that wait for each other."""
    import processes

    with _folder() as folder:
        return processes.run_all(meet, [(folder, rank, n) for rank in range(n)], start_method)


def meet(task: tuple[str, int, int]) -> tuple[int, int, int]:
    """Wait until all n workers are here. Returns the pid, the parent's pid and how many came."""
    folder, rank, n = task
    Path(folder, f"here-{rank}").touch()

    def how_many() -> int:
        return len(list(Path(folder).glob("here-*")))

    _wait_until(lambda: how_many() == n, folder)
    time.sleep(0.2)  # long enough to be seen from outside, whatever the caller does to a worker that has answered
    return os.getpid(), os.getppid(), how_many()


def run_all_in_reverse(n: int, start_method: str) -> Any:
    """`run_all` with workers that answer from the last to the first."""
    import processes

    with _folder() as folder:
        return processes.run_all(answer_in_reverse, [(folder, rank, n) for rank in range(n)], start_method)


def answer_in_reverse(task: tuple[str, int, int]) -> str:
    """Answer when the next rank's answer is on its way: that process has ended, or has nothing more to do."""
    folder, rank, n = task
    following = Path(folder, f"answered-{rank + 1}")
    if rank + 1 < n and _wait_until(following.exists, folder):
        pid = int(following.read_text())
        if pid != os.getpid():
            _linger(pid, 0.2)
    draft = Path(folder, f"draft-{rank}")
    draft.write_text(str(os.getpid()))
    draft.rename(Path(folder, f"answered-{rank}"))
    return f"answer {rank}"


def end_as_told(how: str) -> str:
    """End in one of the ways in which a worker can end."""
    if how == "raise":
        raise ValueError("the message")
    if how == "key":
        raise KeyError("step")
    if how == "division":
        return str(1 // 0)
    if how.startswith("_exit"):
        os.closerange(3, 1024)  # its pipes are at their ends now, and the process is not
        time.sleep(0.2)
        os._exit(int(how.split()[1]))
    if how.startswith("sys.exit"):
        sys.exit(int(how.split()[1]))
    if how.startswith("signal"):
        os.kill(os.getpid(), int(how.split()[1]))
        time.sleep(60)
    return f"value of {how}"


def run_all_one_killed(n: int, start_method: str) -> Any:
    """`run_all` with a worker that is killed at once, while the others still have 2.5 s to work."""
    import processes

    with _folder() as folder:
        return processes.run_all(outlive, [(folder, rank, n) for rank in range(n)], start_method)


def outlive(task: tuple[str, int, int]) -> str:
    folder, rank, _ = task
    mark = Path(folder, "killed")
    if rank == 1:
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)
    _wait_until(mark.exists, folder)
    time.sleep(2.5)  # more than the two seconds that many a time limit has
    return f"value of {rank}"


def large_value(seed: int) -> bytes:
    """20 MiB of random bytes."""
    return random.Random(seed).randbytes(20 << 20)


def large_list(seed: int) -> list[float]:
    """300,000 numbers: many MB in many small pieces."""
    source = random.Random(seed)
    return [source.random() for _ in range(300_000)]


def digest(value: object) -> str:
    """A short stand-in for a large value."""
    if isinstance(value, list) and all(type(item) is float for item in value):
        content = array.array("d", value).tobytes()
    else:
        content = value if isinstance(value, bytes) else repr(value).encode()
    return f"{type(value).__name__} {hashlib.sha256(content).hexdigest()[:16]}"


def run_all_large(kind: str, seeds: list[int], start_method: str) -> Any:
    """`run_all` with workers that return large values, of which the digests are returned."""
    import processes

    outcomes = processes.run_all({"bytes": large_value, "list": large_list}[kind], seeds, start_method)
    if not isinstance(outcomes, list) or not all(isinstance(pair, tuple) and len(pair) == 2 for pair in outcomes):
        return outcomes
    return [(word, digest(value)) if word == "ok" else (word, value) for word, value in outcomes]


def expected_digests(kind: str, seeds: list[int]) -> list[str]:
    """What the values' digests should be; runs no code of a submission."""
    return [digest({"bytes": large_value, "list": large_list}[kind](seed)) for seed in seeds]


class HoldsALockError(Exception):
    """Cannot be pickled."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.lock = threading.Lock()


def unsendable(what: str) -> object:
    """Return, or raise, something that cannot be pickled; anything else is returned as it is."""
    if what == "lock":
        return threading.Lock()
    if what == "lambda":
        return lambda: None
    if what == "deep inside":
        return {"good": 1, "bad": [1, 2, (3, threading.Lock())]}
    if what == "raised":
        _raise_it()
    return what


def _raise_it() -> NoReturn:
    raise HoldsALockError("the message")


def same(argument: object) -> object:
    return argument
