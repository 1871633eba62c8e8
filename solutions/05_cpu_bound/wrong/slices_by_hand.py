# fails: test_uneven_work_is_fast
# mistake: one process for each of n_workers equal slices, with a pipe each
import multiprocessing


def _work(connection, function, part):
    values = []
    try:
        for item in part:
            values.append(function(item))
    except Exception as error:
        connection.send((values, error))
    else:
        connection.send((values, None))


def parallel_map(function, items, n_workers):
    items = list(items)
    n_workers = min(n_workers, len(items))
    workers = []
    for rank in range(n_workers):
        part = items[rank * len(items) // n_workers : (rank + 1) * len(items) // n_workers]
        ours, theirs = multiprocessing.Pipe()
        worker = multiprocessing.Process(target=_work, args=(theirs, function, part))
        worker.start()
        workers.append((worker, ours))
    answers = [ours.recv() for _, ours in workers]
    for worker, _ in workers:
        worker.join()
    values = []
    for part, error in answers:
        if error is not None:
            raise error
        values.extend(part)
    return values
