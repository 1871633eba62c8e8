"""Subclasses of SpawnProcess and ForkProcess with their own run(); identify meets at a Condition with a counter."""

import multiprocessing
import os
import pickle
from multiprocessing.context import ForkProcess, SpawnProcess


class _Answering:
    """A process whose answer() is sent to the parent; start() returns only with the pipe in order."""

    def __init__(self, *details):
        super().__init__()
        self.details = details
        self.sender = None

    def start(self):
        reader, self.sender = multiprocessing.Pipe(duplex=False)
        try:
            super().start()
        except BaseException:
            reader.close()
            raise
        finally:
            self.sender.close()
            self.details = None
        self.reader = reader

    def run(self):
        self.sender.send_bytes(self.answer())
        self.afterwards()

    def afterwards(self):
        pass

    def end(self):
        if self.pid is not None:
            self.kill()
            self.join()


class _Identity(_Answering):
    def answer(self):
        rank, n, arrived, everybody = self.details
        return pickle.dumps((rank, os.getpid(), os.getppid(), os.getpgid(os.getpid())))

    def afterwards(self):
        rank, n, arrived, everybody = self.details
        with everybody:
            arrived.value += 1
            if arrived.value == n:
                everybody.notify_all()
            else:
                everybody.wait_for(lambda: arrived.value == n)


class _Call(_Answering):
    def answer(self):
        function, argument = self.details
        try:
            value = function(argument)
        except SystemExit:
            raise
        except BaseException as error:
            return self.failure(error)
        try:
            return pickle.dumps(("ok", value))
        except Exception as error:
            return self.failure(error)

    @staticmethod
    def failure(error):
        return pickle.dumps(("error", type(error).__name__ + ": " + str(error)))

    def outcome(self):
        try:
            raw = self.reader.recv_bytes()
        except (EOFError, OSError):
            self.join()
            return ("died", self.exitcode)
        self.join()
        try:
            return pickle.loads(raw)
        except Exception as error:
            return pickle.loads(self.failure(error))


class SpawnIdentity(_Identity, SpawnProcess):
    pass


class ForkIdentity(_Identity, ForkProcess):
    pass


class SpawnCall(_Call, SpawnProcess):
    pass


class ForkCall(_Call, ForkProcess):
    pass


CLASSES = {"spawn": (SpawnIdentity, SpawnCall), "fork": (ForkIdentity, ForkCall)}


def identify(n, start_method="spawn"):
    kind, _ = CLASSES[start_method]
    ctx = multiprocessing.get_context(start_method)
    everybody = ctx.Condition()
    arrived = ctx.Value("i", 0, lock=False)
    workers = []
    try:
        for rank in range(n):
            worker = kind(rank, n, arrived, everybody)
            worker.start()
            workers.append(worker)
        reports = [pickle.loads(worker.reader.recv_bytes()) for worker in workers]
        for worker in workers:
            worker.join()
        return reports
    finally:
        for worker in workers:
            worker.end()


def run_all(function, arguments, start_method="spawn"):
    _, kind = CLASSES[start_method]
    workers = []
    try:
        for argument in arguments:
            worker = kind(function, argument)
            worker.start()
            workers.append(worker)
        return [worker.outcome() for worker in workers]
    finally:
        for worker in workers:
            worker.end()
