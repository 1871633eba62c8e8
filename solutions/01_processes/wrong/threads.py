# fails: test_identify_reports_every_child
# mistake: threads in place of processes
import multiprocessing
import os
import threading


def identify(n, start_method="spawn"):
    rows = [None] * n
    everyone = threading.Barrier(n)

    def introduce(rank):
        rows[rank] = (rank, os.getpid(), os.getppid(), os.getpgrp())
        everyone.wait()

    threads = [threading.Thread(target=introduce, args=(rank,)) for rank in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return rows


def run_all(function, arguments, start_method="spawn"):
    arguments = list(arguments)
    outcomes = [None] * len(arguments)

    def work(index):
        try:
            outcomes[index] = ("ok", function(arguments[index]))
        except SystemExit as error:
            outcomes[index] = ("died", error.code)
        except BaseException as error:
            outcomes[index] = ("error", f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(arguments))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes
