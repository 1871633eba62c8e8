"""Raw os.read/os.write on pipes under a selector, length-prefixed; closing a "gate" pipe lets identify's children go."""

import multiprocessing as mp
import os
import pickle
import selectors
import struct

HEAD = struct.Struct("<Q")


def _write(fd, payload):
    for piece in (HEAD.pack(len(payload)), payload):
        view = memoryview(piece)
        while view:
            view = view[os.write(fd, view[: 1 << 20]) :]


def _complete(chunks):
    raw = b"".join(chunks)
    if len(raw) < HEAD.size:
        return None
    (size,) = HEAD.unpack_from(raw)
    body = raw[HEAD.size :]
    return body if len(body) == size else None


def _drain(readers):
    """Read all pipes to their ends, whoever is ready first; one byte string (or None) for each."""
    chunks = {r: [] for r in readers}
    with selectors.DefaultSelector() as selector:
        for r in readers:
            selector.register(r.fileno(), selectors.EVENT_READ, r)
        while selector.get_map():
            for key, _ in selector.select():
                data = os.read(key.fd, 1 << 18)
                if data:
                    chunks[key.data].append(data)
                else:
                    selector.unregister(key.fd)
    return [_complete(chunks[r]) for r in readers]


class _Group(list):
    def __init__(self, start_method):
        self.ctx = mp.get_context(start_method)
        self.readers = []

    def add(self, target, *args):
        r, w = self.ctx.Pipe(duplex=False)
        self.readers.append(r)
        try:
            p = self.ctx.Process(target=target, args=(w,) + args)
            p.start()
        finally:
            w.close()
        self.append(p)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for p in self:
            p.kill()
        for p in self:
            p.join()
        for r in self.readers:
            r.close()


def _identity(w, rank, gate, key):
    key.close()  # this child's copy of the gate's other end
    _write(w.fileno(), pickle.dumps((rank, os.getpid(), os.getppid(), os.getpgrp())))
    w.close()
    try:
        gate.recv_bytes()
    except EOFError:
        pass


def identify(n, start_method="spawn"):
    with _Group(start_method) as group:
        gate, key = group.ctx.Pipe(duplex=False)
        with gate, key:
            for rank in range(n):
                group.add(_identity, rank, gate, key)
            raw = _drain(group.readers)
            if None in raw:
                raise RuntimeError("a child ended without its report")
        for p in group:
            p.join()
    return [pickle.loads(each) for each in raw]


def _answer(w, function, argument):
    try:
        payload = ("ok", function(argument))
    except SystemExit:
        raise
    except BaseException as e:
        payload = ("error", f"{type(e).__name__}: {e}")
    try:
        payload = pickle.dumps(payload)
    except Exception as e:
        payload = pickle.dumps(("error", f"{type(e).__name__}: {e}"))
    _write(w.fileno(), payload)


def _decode(p, raw):
    if raw is None:
        return ("died", p.exitcode)
    try:
        return pickle.loads(raw)
    except Exception as e:
        return ("error", f"{type(e).__name__}: {e}")


def run_all(function, arguments, start_method="spawn"):
    with _Group(start_method) as group:
        for argument in arguments:
            group.add(_answer, function, argument)
        raw = _drain(group.readers)
        for p in group:
            p.join()
        return [_decode(p, each) for p, each in zip(group, raw)]
