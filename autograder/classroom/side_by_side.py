"""Grades several submissions at the same time, each in a process of its own with sandboxes of its own.

What a submission gets does not depend on its neighbours: a race is explored step by step, and the corrected clock takes
out the time that a thread waits for a core. It is only quicker.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from autograder.checks.engine import OnVerdict, grade
from autograder.checks.tasks import Sandboxes, Task
from autograder.errors import GraderError
from autograder.records import Result
from autograder.sandbox import Isolation

#: Seconds that a worker has to end its sandboxes.
GRACE = 5.0


@dataclass(frozen=True, slots=True)
class _Worker:
    process: SpawnProcess
    tasks: Connection
    #: Closed by the system when the grader is gone, however it went.
    lifeline: Connection


OnPlace = Callable[[int, Result], None]


def grade_jobs(
    tasks: Sequence[Task],
    sandboxes: Sandboxes,
    jobs: int,
    on_result: OnPlace,
    on_verdict: OnVerdict | None = None,
    *,
    timelines: bool = False,
) -> None:
    """Judge ``tasks`` one after the other in ``sandboxes``, or ``jobs`` of them at a time in sandboxes of their own.

    Args:
        tasks: What to judge.
        sandboxes: Say which isolation level is used; the caller closes them.
        jobs: How many are judged at the same time.
        on_result: Told of each submission, by its place in ``tasks``, as soon as it is judged.
        on_verdict: Told of each check, where one submission is judged after the other.
        timelines: Whether the verdicts say what ran when.

    Raises:
        GraderError: A fault of ours.
        KeyboardInterrupt: The user stopped it; what was judged before has been told.
    """
    if jobs == 1 or len(tasks) < 2:
        places = count()
        grade(tasks, sandboxes, lambda result: on_result(next(places), result), on_verdict, timelines=timelines)
    else:
        sandboxes.close()
        _grade_side_by_side(tasks, sandboxes, jobs, on_result, timelines=timelines)


def _grade_side_by_side(
    tasks: Sequence[Task], sandboxes: Sandboxes, jobs: int, on_result: OnPlace, *, timelines: bool
) -> None:
    """Judge ``tasks``, ``jobs`` of them at a time; ``on_result`` is told of each, by its place, as soon as it is judged.

    Raises:
        GraderError: A fault of ours.
        KeyboardInterrupt: The user stopped it; what was judged before has been told.
    """
    ahead = iter(enumerate(tasks))
    doing: dict[Connection, int] = {}
    with _workers(min(jobs, len(tasks)), sandboxes, timelines) as workers:
        try:
            for worker in workers:
                _hand_out(worker.tasks, ahead, doing)
            while doing:
                for connection in wait(list(doing)):
                    assert isinstance(connection, Connection)
                    result: Result | GraderError = connection.recv()
                    if isinstance(result, GraderError):
                        raise result
                    on_result(doing.pop(connection), result)
                    _hand_out(connection, ahead, doing)
        except (EOFError, ConnectionError) as error:
            raise GraderError("a process that grades has ended by itself") from error


def _hand_out(connection: Connection, ahead: Iterator[tuple[int, Task]], doing: dict[Connection, int]) -> None:
    index, task = next(ahead, (-1, None))
    connection.send(task)
    if task is not None:
        doing[connection] = index


@contextlib.contextmanager
def _workers(number: int, sandboxes: Sandboxes, timelines: bool) -> Iterator[list[_Worker]]:
    """Processes that grade, for a while."""
    context = multiprocessing.get_context("spawn")
    workers: list[_Worker] = []
    try:
        for _ in range(number):
            tasks, theirs = context.Pipe()
            watched, lifeline = context.Pipe(duplex=False)
            process = context.Process(target=_work, args=(theirs, watched, sandboxes.forced, sandboxes.seed, timelines))
            process.start()
            theirs.close()
            watched.close()
            workers.append(_Worker(process, tasks, lifeline))
        yield workers
    except BaseException:
        for worker in workers:
            worker.process.terminate()
        raise
    finally:
        for worker in workers:
            worker.process.join(GRACE)
            worker.lifeline.close()
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.tasks.close()


def _work(tasks: Connection, lifeline: Connection, forced: Isolation | None, seed: str, timelines: bool) -> None:
    """A worker: judges one task after the other until there is none."""
    # Ctrl-C reaches every process of a terminal, and is the grader's to answer. No SIG_IGN: programs would inherit it.
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, _stop)
    threading.Thread(target=_end_with_the_grader, args=(lifeline,), daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt, EOFError, BrokenPipeError), Sandboxes(forced, seed=seed) as sandboxes:
        while (task := tasks.recv()) is not None:
            try:
                (result,) = grade([task], sandboxes, timelines=timelines)
            except GraderError as error:
                tasks.send(error)
            else:
                tasks.send(result)


def _stop(*_: object) -> None:
    signal.signal(signal.SIGTERM, lambda *_: None)
    raise KeyboardInterrupt


def _end_with_the_grader(lifeline: Connection) -> None:
    with contextlib.suppress(EOFError, OSError):
        lifeline.recv()
    os._exit(1)  # the sandboxes notice, and end what runs in them
