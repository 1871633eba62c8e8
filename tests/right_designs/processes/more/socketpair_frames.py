"""A Unix socketpair per process instead of multiprocessing's pipes, with a small framed Channel of its own."""

import contextlib
import json
import multiprocessing as mp
import os
import pickle
import socket


class Channel:
    __slots__ = ("sock",)

    def __init__(self, sock):
        self.sock = sock

    def put(self, payload):
        self.sock.sendall(len(payload).to_bytes(8, "big"))
        self.sock.sendall(payload)

    def _exactly(self, size):
        buffer = bytearray(size)
        view, got = memoryview(buffer), 0
        while got < size:
            n = self.sock.recv_into(view[got:])
            if n == 0:
                raise EOFError
            got += n
        return bytes(buffer)

    def get(self):
        """The next frame, or None when the other side is gone."""
        try:
            return self._exactly(int.from_bytes(self._exactly(8), "big"))
        except (EOFError, ConnectionError):
            return None


@contextlib.contextmanager
def launched(target, argument_lists, start_method):
    ctx = mp.get_context(start_method)
    members, socks = [], []
    try:
        for args in argument_lists:
            mine, yours = socket.socketpair()
            socks.append(mine)
            with yours:
                process = ctx.Process(target=target, args=(yours, *args))
                process.start()
            members.append((process, Channel(mine)))
        yield members
        for process, _ in members:
            process.join()
    finally:
        for process, _ in members:
            process.kill()
            process.join()
        for s in socks:
            s.close()


def _announce(sock, rank):
    channel = Channel(sock)
    channel.put(json.dumps([rank, os.getpid(), os.getppid(), os.getpgrp()]).encode())
    channel.get()


def identify(n, start_method="spawn"):
    with launched(_announce, [(rank,) for rank in range(n)], start_method) as members:
        frames = [channel.get() for _, channel in members]
        if any(frame is None for frame in frames):
            raise RuntimeError("a child is gone before all had reported")
        for _, channel in members:
            channel.put(b"go")
    return [tuple(json.loads(frame)) for frame in frames]


def _explain(e):
    return ("error", f"{type(e).__name__}: {e}")


def _perform(sock, function, argument):
    try:
        answer = ("ok", function(argument))
    except SystemExit:
        raise
    except BaseException as e:
        answer = _explain(e)
    try:
        frame = pickle.dumps(answer)
    except Exception as e:
        frame = pickle.dumps(_explain(e))
    Channel(sock).put(frame)


def _result(process, channel):
    frame = channel.get()
    if frame is None:
        process.join()
        return ("died", process.exitcode)
    try:
        return pickle.loads(frame)
    except Exception as e:
        return _explain(e)


def run_all(function, arguments, start_method="spawn"):
    with launched(_perform, [(function, a) for a in arguments], start_method) as members:
        return [_result(*member) for member in members]
