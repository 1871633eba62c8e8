"""The textbook: a task Queue with one sentinel per worker and a result Queue; answers are pickled in the worker, deaths noticed."""

import multiprocessing
import pickle
import queue


def worker_loop(function, items, tasks, results):
    while True:
        task = tasks.get()
        if task is None:
            break
        number, start, stop = task
        values = []
        try:
            for i in range(start, stop):
                values.append(function(items[i]))
            message = pickle.dumps((number, values, None))
        except BaseException as error:
            message = pickle.dumps((number, None, error))
        results.put(message)


def parallel_map(function, items, n_workers):
    items = list(items)
    count = len(items)
    if count == 0:
        return []
    n_workers = max(1, min(n_workers, count))
    n_tasks = min(count, 64 * n_workers, 1000)
    bounds = [count * k // n_tasks for k in range(n_tasks + 1)]

    context = multiprocessing.get_context("fork")
    tasks, results = context.Queue(), context.Queue()
    workers = []
    try:
        for _ in range(n_workers):
            worker = context.Process(target=worker_loop, args=(function, items, tasks, results))
            worker.start()
            workers.append(worker)
        for k in range(n_tasks):
            tasks.put((k, bounds[k], bounds[k + 1]))
        for _ in workers:
            tasks.put(None)

        answers = {}
        while len(answers) < n_tasks:
            try:
                number, values, error = pickle.loads(results.get(timeout=0.5))
            except queue.Empty:
                if any(w.exitcode not in (None, 0) for w in workers):
                    raise RuntimeError("a worker process died") from None
                continue
            answers[number] = values, error
        for w in workers:
            w.join()
        output = []
        for k in range(n_tasks):
            values, error = answers[k]
            if error is not None:
                raise error
            output += values
        return output
    finally:
        for w in workers:
            w.kill()
            w.join()
            w.close()
        for q in (tasks, results):
            q.close()
            q.join_thread()
