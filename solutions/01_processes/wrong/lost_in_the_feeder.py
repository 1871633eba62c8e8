# fails: test_what_cannot_be_sent_is_an_error
# mistake: Queue.put pickles in a thread of its own: what cannot be pickled is lost there, and nobody hears of it
import multiprocessing
import os
import queue


def _introduce(connection, rank):
    connection.send((rank, os.getpid(), os.getppid(), os.getpgrp()))
    connection.recv()


def identify(n, start_method="spawn"):
    context = multiprocessing.get_context(start_method)
    children = []
    try:
        for rank in range(n):
            ours, theirs = context.Pipe()
            child = context.Process(target=_introduce, args=(theirs, rank))
            child.start()
            theirs.close()
            children.append((child, ours))
        rows = [ours.recv() for _, ours in children]
        for _, ours in children:
            ours.send(None)
    except BaseException:
        for child, _ in children:
            child.kill()
        raise
    finally:
        for child, ours in children:
            child.join()
            ours.close()
    return rows


def _work(answers, function, argument):
    try:
        answers.put(("ok", function(argument)))
    except SystemExit:
        raise
    except BaseException as error:
        answers.put(("error", f"{type(error).__name__}: {error}"))


def run_all(function, arguments, start_method="spawn"):
    context = multiprocessing.get_context(start_method)
    workers = []
    try:
        for argument in arguments:
            answers = context.Queue()
            worker = context.Process(target=_work, args=(answers, function, argument))
            worker.start()
            workers.append((worker, answers))
        outcomes = []
        for worker, answers in workers:
            while True:
                ended = not worker.is_alive()
                try:
                    outcomes.append(answers.get(timeout=0.05))
                    break
                except queue.Empty:
                    if ended:
                        outcomes.append(("died", worker.exitcode))
                        break
        return outcomes
    except BaseException:
        for worker, _ in workers:
            worker.kill()
        raise
    finally:
        for worker, answers in workers:
            worker.join()
            answers.close()
            answers.join_thread()
