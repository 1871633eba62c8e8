"""A dispatcher in the caller hands each idle worker the next guided (shrinking) range over its own duplex pipe."""

import logging
import multiprocessing
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

log = logging.getLogger(__name__)


def _serve(connection: Connection, function, items) -> None:
    while True:
        order = connection.recv()
        if order is None:
            return
        low, high = order
        try:
            answer = low, [function(items[i]) for i in range(low, high)], None
        except BaseException as error:
            answer = low, None, error
        connection.send(answer)


@dataclass
class Worker:
    process: Any
    connection: Connection


@dataclass
class Dispatcher:
    function: Any
    items: list
    n_workers: int
    workers: list = field(default_factory=list)
    next_index: int = 0
    failed: bool = False

    def __enter__(self):
        context = multiprocessing.get_context("fork")
        try:
            for _ in range(self.n_workers):
                ours, theirs = context.Pipe()
                process = context.Process(target=_serve, args=(theirs, self.function, self.items), daemon=True)
                process.start()
                theirs.close()
                self.workers.append(Worker(process, ours))
        except BaseException:
            self.__exit__()
            raise
        log.debug("%d workers", len(self.workers))
        return self

    def __exit__(self, *_):
        for worker in self.workers:
            worker.connection.close()
            worker.process.kill()
        for worker in self.workers:
            worker.process.join()
            worker.process.close()
        self.workers.clear()

    def feed(self, worker) -> bool:
        left = len(self.items) - self.next_index
        if self.failed or left == 0:
            return False
        size = max(1, left // (10 * self.n_workers))
        worker.connection.send((self.next_index, self.next_index + size))
        self.next_index += size
        return True

    def run(self) -> list:
        result = [None] * len(self.items)
        failures = {}
        busy = {w.connection: w for w in self.workers if self.feed(w)}
        while busy:
            for connection in wait(list(busy)):
                try:
                    low, values, error = connection.recv()
                except EOFError:
                    raise RuntimeError("a worker died") from None
                if error is not None:
                    failures[low] = error
                    self.failed = True
                else:
                    result[low : low + len(values)] = values
                if not self.feed(busy[connection]):
                    del busy[connection]
        if failures:
            raise failures[min(failures)]
        return result


def parallel_map(function, items, n_workers):
    items = list(items)
    if not items:
        return []
    with Dispatcher(function, items, max(1, min(n_workers, len(items)))) as dispatcher:
        return dispatcher.run()
