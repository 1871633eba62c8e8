"""An asyncio event loop watches the pipes (add_reader); one coroutine per process."""

import asyncio
import multiprocessing as mp
import os
import pickle


def _child_report(pipe, rank):
    pipe.send_bytes(pickle.dumps((rank, os.getpid(), os.getppid(), os.getpgrp())))
    pipe.recv_bytes()  # until the parent says goodbye


def _child_call(pipe, function, argument):
    def failed(e):
        return "error", f"{type(e).__name__}: {e}"

    try:
        result = "ok", function(argument)
    except SystemExit:
        raise
    except BaseException as e:
        result = failed(e)
    try:
        message = pickle.dumps(result)
    except Exception as e:
        message = pickle.dumps(failed(e))
    pipe.send_bytes(message)


async def _readable(pipe):
    loop = asyncio.get_running_loop()
    ready = loop.create_future()

    def on_ready():
        loop.remove_reader(pipe.fileno())
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(pipe.fileno(), on_ready)
    try:
        await ready
    finally:
        loop.remove_reader(pipe.fileno())


class _Child:
    def __init__(self, ctx, target, *args):
        self.pipe, other = ctx.Pipe()
        try:
            self.process = ctx.Process(target=target, args=(other, *args))
            self.process.start()
        except BaseException:
            self.pipe.close()
            raise
        finally:
            other.close()

    def end(self):
        self.process.kill()
        self.process.join()
        self.process.close()
        self.pipe.close()

    async def message(self):
        await _readable(self.pipe)
        return self.pipe.recv_bytes()

    async def outcome(self):
        try:
            message = await self.message()
        except (EOFError, OSError):
            self.process.join()
            return "died", self.process.exitcode
        self.process.join()
        try:
            return pickle.loads(message)
        except Exception as e:
            return "error", f"{type(e).__name__}: {e}"


async def _identify(n, ctx):
    children = []
    try:
        for rank in range(n):
            children.append(_Child(ctx, _child_report, rank))
        reports = await asyncio.gather(*(c.message() for c in children))
        for c in children:
            c.pipe.send_bytes(b"bye")
        for c in children:
            c.process.join()
        return [pickle.loads(r) for r in reports]
    finally:
        for c in children:
            c.end()


async def _run_all(function, arguments, ctx):
    children = []
    try:
        for argument in arguments:
            children.append(_Child(ctx, _child_call, function, argument))
        return list(await asyncio.gather(*(c.outcome() for c in children)))
    finally:
        for c in children:
            c.end()


def identify(n, start_method="spawn"):
    return asyncio.run(_identify(n, mp.get_context(start_method)))


def run_all(function, arguments, start_method="spawn"):
    return asyncio.run(_run_all(function, list(arguments), mp.get_context(start_method)))
