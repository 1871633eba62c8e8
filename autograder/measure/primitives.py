"""Locks whose every step the explorer decides: what student code gets for ``threading.Lock`` and its kin.

The three that frontrun models well (Lock, RLock, Semaphore) are its own. Condition, Barrier and the queues are the
standard library's, standing on those locks: what the library does between two lock operations needs no exploring.

All of them can be made *permissive*: nothing ever blocks then, as if each thread had locks of its own. Code that is
right only thanks to its locks must break when explored so; where it does not, the explorer cannot see that code.

This module runs inside the sandbox, beside student code.
"""

import multiprocessing
import multiprocessing.context
import queue
import sys
import threading
import types
from collections.abc import Callable
from threading import get_ident
from typing import Any

from frontrun import _cooperative as frontrun

#: Called with what happened ("lock_acquire", "lock_wait", "lock_release" ...) and the primitive.
Witness = Callable[[str, object], None]


class _State:
    """What all primitives of this process look at."""

    def __init__(self) -> None:
        #: Nothing blocks.
        self.permissive = False
        #: All threads have ended: what is locked now stays locked.
        self.alone = False
        self.witness: Witness | None = None
        #: Who is told what each thread that our own scheduler steers does, by the thread's ident.
        self.steered: dict[int, Witness] = {}


state = _State()


class StillHeldError(Exception):
    """All threads have ended, and a lock is held: whoever wants it waits for ever."""


def _passes(held: bool, waits: bool) -> bool:
    """Whether the calling thread gets a lock without asking anybody.

    Raises:
        StillHeldError: It would wait for ever.
    """
    if frontrun.get_context() is not None:
        return state.permissive
    if state.alone and held and waits:
        raise StillHeldError
    return False


def _short_way() -> Witness | None:
    """Whom to tell when the calling thread takes or gives back a lock that is free: then nothing has to be decided.

    frontrun's own way to do that is long, and Python code is slow where it is traced: most of an execution went there.
    """
    return None if state.permissive else state.steered.get(get_ident())


class _Told:
    """What frontrun's reporter is told, the witness is told too."""

    def _report(self, event: str) -> None:
        if state.witness is not None:
            state.witness(event, self)
        super()._report(event)  # type: ignore[misc]

    def _at_fork_reinit(self) -> None:
        self.__init__()  # type: ignore[misc]


class Lock(_Told, frontrun.CooperativeLock):
    """``threading.Lock``."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if (tell := _short_way()) is not None and self._lock.acquire(False):
            tell("lock_acquire", self)
            return True
        if _passes(self._lock.locked(), blocking):
            self._lock.acquire(blocking=False)
            return True
        return super().acquire(blocking, timeout)

    def release(self) -> None:
        if (tell := _short_way()) is not None and self._lock.locked():
            self._owner_thread_id = None
            self._lock.release()
            tell("lock_release", self)
        elif not state.permissive or self._lock.locked():
            super().release()

    def _is_owned(self) -> bool:
        return self._lock.locked() or state.permissive

    def acquire_lock(self, blocking: bool = True, timeout: float = -1) -> bool:
        """The old name that ``_thread`` still offers."""
        return self.acquire(blocking, timeout)

    def release_lock(self) -> None:
        """The old name that ``_thread`` still offers."""
        self.release()


class Signal(Lock):
    """The lock on which one thread waits for a notification: acquired by the waiter, released by the other.

    Whoever acquired it does not hold it in the sense of a deadlock, so it stays out of frontrun's graph.
    """

    def _set_owner_and_report(self, event: str) -> None:
        self._report(event)

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if (context := frontrun.get_context()) is None or not self._lock.locked():
            return super().acquire(blocking, timeout)
        scheduler, thread = context
        deadline, _, clock = (
            frontrun._timed_acquire_state(timeout, scheduler, thread) if timeout >= 0 else (None, None, None)
        )
        try:
            while True:
                if not scheduler.before_sync_retry(thread):
                    raise frontrun.SchedulerAbort
                acquired = self._lock.acquire(blocking=False)
                self._report("lock_acquire" if acquired else "lock_wait")
                scheduler.after_sync_retry(thread)
                if acquired or frontrun._timed_acquire_expired(deadline, clock):
                    return acquired
        finally:
            frontrun._timed_acquire_cleanup(scheduler, thread, clock, gave_up=deadline is not None)


class RLock(_Told, frontrun.CooperativeRLock):
    """``threading.RLock``."""

    _owner: int | None
    _owner_thread_id: int | None

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if (tell := _short_way()) is not None and self._owner != get_ident() and self._lock.acquire(False):
            self._owner, self._count = get_ident(), 1
            tell("lock_acquire", self)
            return True
        if _passes(self._owner not in (None, get_ident()), blocking):
            return True
        return super().acquire(blocking, timeout)

    def release(self) -> None:
        if self._count == 1 and (tell := _short_way()) is not None and self._owner == get_ident():
            self._owner = self._owner_thread_id = None
            self._count = 0
            self._lock.release()
            tell("lock_release", self)
        elif not state.permissive or self._owner == get_ident():
            super().release()

    def _is_owned(self) -> bool:
        return super()._is_owned() or state.permissive

    def _release_save(self) -> int:
        depth = self._count
        for _ in range(depth):
            self.release()
        return depth

    def _acquire_restore(self, depth: int) -> None:
        for _ in range(depth):
            self.acquire()


class Semaphore(_Told, frontrun.CooperativeSemaphore):
    """``threading.Semaphore``."""

    def __init__(self, value: int = 1) -> None:
        if value < 0:
            raise ValueError("semaphore initial value must be >= 0")
        super().__init__(value)

    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        if (tell := _short_way()) is not None and self._try_acquire():
            tell("lock_acquire", self)
            return True
        if _passes(self._value <= 0, blocking) and self._value <= 0:
            return True
        return super().acquire(blocking, timeout)


class BoundedSemaphore(Semaphore, frontrun.CooperativeBoundedSemaphore):
    """``threading.BoundedSemaphore``."""

    def __init__(self, value: int = 1) -> None:
        super().__init__(value)
        self._initial_value = value

    def release(self, n: int = 1) -> None:
        if state.permissive and self._value + n > self._initial_value:
            return
        frontrun.CooperativeBoundedSemaphore.release(self, n)


def _on(function: types.FunctionType, **names: object) -> types.FunctionType:
    """A function of the standard library that finds other things under some of its global names."""
    copy = types.FunctionType(
        function.__code__,
        {**function.__globals__, **names},
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


class Condition(threading.Condition):
    """``threading.Condition``, with the library's own code for waiting."""

    def __init__(self, lock: Any = None) -> None:
        super().__init__(RLock() if lock is None else lock)

    _wait = _on(threading.Condition.wait, _allocate_lock=Signal)  # type: ignore[arg-type]

    def wait(self, timeout: float | None = None) -> bool:
        if state.permissive and (context := frontrun.get_context()) is not None:
            context[0].wait_for_turn(context[1])
            return True
        return bool(self._wait(timeout))


class _Permissive:
    """A queue that never blocks where all are permissive: taken from when empty, it gives the last thing again."""

    last: Any

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        if state.permissive and self.empty() and hasattr(self, "last"):  # type: ignore[attr-defined]
            return self.last
        self.last = super().get(block, timeout)  # type: ignore[misc]
        return self.last

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        if state.permissive and getattr(self, "full", bool)():
            return
        super().put(item, block, timeout)  # type: ignore[misc]

    def get_nowait(self) -> Any:
        return self.get(False)

    def put_nowait(self, item: Any) -> None:
        self.put(item, False)


class Queue(_Permissive, queue.Queue):  # type: ignore[type-arg]
    """``queue.Queue``."""


class LifoQueue(_Permissive, queue.LifoQueue):  # type: ignore[type-arg]
    """``queue.LifoQueue``."""


class PriorityQueue(_Permissive, queue.PriorityQueue):  # type: ignore[type-arg]
    """``queue.PriorityQueue``."""


class SimpleQueue(_Permissive, queue._PySimpleQueue):  # type: ignore[name-defined]
    """``queue.SimpleQueue``: the library's version in Python, on a semaphore of ours."""

    def __init__(self) -> None:
        super().__init__()
        self._count = Semaphore(0)


def install() -> None:
    """Give the names under which Python offers locks to what is imported from now on.

    ``multiprocessing``'s locks too: they serve between threads as well, and only threads are explored.
    """
    frontrun.patch_locks()
    frontrun.patch_sleep()
    for module, kinds in {
        threading: (Lock, RLock, Semaphore, BoundedSemaphore, Condition),
        queue: (Queue, LifoQueue, PriorityQueue, SimpleQueue),
        multiprocessing: (Lock, RLock, Semaphore, BoundedSemaphore, Condition),
    }.items():
        for kind in kinds:
            setattr(module, kind.__name__, kind)
    for kind in (Lock, RLock, Semaphore, BoundedSemaphore, Condition):
        # Called as a method of a context, which the primitive does not want.
        setattr(multiprocessing.context.BaseContext, kind.__name__, _as_method(kind))
    low = sys.modules["_thread"]
    for name in ("allocate_lock", "allocate"):
        setattr(low, name, Lock)
    low.RLock = RLock  # type: ignore[attr-defined]
    sys.modules["_queue"].SimpleQueue = SimpleQueue  # type: ignore[attr-defined]


def _as_method(kind: type) -> Callable[..., object]:
    return lambda _context, *arguments: kind(*arguments)
