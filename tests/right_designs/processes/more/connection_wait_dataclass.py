"""connection.wait over all pipes at once, jobs as dataclasses, a Semaphore as the gate that keeps the children alive."""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any, Callable, Iterable

log = logging.getLogger(__name__)
Outcome = tuple[str, Any]


@dataclass
class Job:
    process: Any
    reader: Connection
    outcome: Outcome | None = None


@dataclass
class Crew:
    """Processes that are certain to be gone when the with-block is left."""

    start_method: str
    jobs: list[Job] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.context = multiprocessing.get_context(self.start_method)

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *exc: object) -> None:
        for job in self.jobs:
            if job.process.is_alive():
                log.warning("killing %s", job.process.pid)
                job.process.kill()
        for job in self.jobs:
            job.process.join()
            job.process.close()
            job.reader.close()

    def hire(self, target: Callable, *args: Any) -> Job:
        reader, writer = self.context.Pipe(duplex=False)
        process = self.context.Process(target=target, args=(writer, *args))
        try:
            process.start()
        except BaseException:
            reader.close()
            raise
        finally:
            writer.close()
        job = Job(process, reader)
        self.jobs.append(job)
        log.debug("started %s", process.pid)
        return job


def _report(writer: Connection, rank: int, gate: Any) -> None:
    writer.send((rank, os.getpid(), os.getppid(), os.getpgid(0)))
    gate.acquire()


def identify(n: int, start_method: str = "spawn") -> list[tuple[int, int, int, int]]:
    with Crew(start_method) as crew:
        gate = crew.context.Semaphore(0)
        for rank in range(n):
            crew.hire(_report, rank, gate)
        reports = [job.reader.recv() for job in crew.jobs]
        for _ in crew.jobs:
            gate.release()
        for job in crew.jobs:
            job.process.join()
    return sorted(reports)


def _describe(error: BaseException) -> Outcome:
    return "error", f"{type(error).__name__}: {error}"


def _serve(writer: Connection, function: Callable, argument: Any) -> None:
    try:
        outcome: Outcome = ("ok", function(argument))
    except SystemExit:
        raise
    except BaseException as error:
        outcome = _describe(error)
    try:
        payload = pickle.dumps(outcome, protocol=pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        payload = pickle.dumps(_describe(error))
    with writer:
        writer.send_bytes(payload)


def run_all(function: Callable, arguments: Iterable, start_method: str = "spawn") -> list[Outcome]:
    with Crew(start_method) as crew:
        for argument in arguments:
            crew.hire(_serve, function, argument)
        pending = {job.reader: job for job in crew.jobs}
        while pending:
            for reader in wait(list(pending)):
                job = pending.pop(reader)
                try:
                    payload = reader.recv_bytes()
                except (EOFError, OSError):
                    job.process.join()
                    job.outcome = ("died", job.process.exitcode)
                    continue
                try:
                    job.outcome = pickle.loads(payload)
                except Exception as error:
                    job.outcome = _describe(error)
        for job in crew.jobs:
            job.process.join()
        return [job.outcome for job in crew.jobs]
