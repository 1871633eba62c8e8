"""Plain student style: lists, a polling loop with time.sleep, no helpers from the library but Process and Pipe."""

import multiprocessing
import os
import pickle
import time


def child_identify(rank, conn):
    conn.send((rank, os.getpid(), os.getppid(), os.getpgrp()))
    # stay alive until the parent has heard from everybody
    while not conn.poll(0.05):
        pass


def identify(n, start_method="spawn"):
    ctx = multiprocessing.get_context(start_method)
    procs = []
    conns = []
    try:
        for rank in range(n):
            a, b = ctx.Pipe()
            p = ctx.Process(target=child_identify, args=(rank, b))
            p.start()
            procs.append(p)
            b.close()
            conns.append(a)
        results = []
        for a in conns:
            results.append(a.recv())
        for a in conns:
            a.send("you may go")
        for p in procs:
            p.join()
    finally:
        for p in procs:
            if p.is_alive():
                p.kill()
            p.join()
    return results


def child_run(function, argument, conn):
    try:
        value = function(argument)
        kind = "ok"
    except SystemExit:
        raise
    except BaseException as e:
        value = type(e).__name__ + ": " + str(e)
        kind = "error"
    try:
        data = pickle.dumps((kind, value))
    except Exception as e:
        data = pickle.dumps(("error", type(e).__name__ + ": " + str(e)))
    conn.send_bytes(data)
    conn.close()


def run_all(function, arguments, start_method="spawn"):
    ctx = multiprocessing.get_context(start_method)
    procs = []
    conns = []
    try:
        for argument in arguments:
            a, b = ctx.Pipe(duplex=False)
            p = ctx.Process(target=child_run, args=(function, argument, b))
            p.start()
            procs.append(p)
            conns.append(a)
            b.close()
        results = [None] * len(procs)
        waiting = list(range(len(procs)))
        while waiting:
            for i in list(waiting):
                dead = not procs[i].is_alive()  # asked first: what a dead one has sent is already in the pipe
                if conns[i].poll():
                    try:
                        data = conns[i].recv_bytes()
                    except (EOFError, OSError):
                        procs[i].join()
                        results[i] = ("died", procs[i].exitcode)
                    else:
                        try:
                            results[i] = pickle.loads(data)
                        except Exception as e:
                            results[i] = ("error", type(e).__name__ + ": " + str(e))
                    waiting.remove(i)
                elif dead:
                    results[i] = ("died", procs[i].exitcode)
                    waiting.remove(i)
            if waiting:
                time.sleep(0.005)
        for p in procs:
            p.join()
    finally:
        for p in procs:
            if p.is_alive():
                p.kill()
            p.join()
    return results
