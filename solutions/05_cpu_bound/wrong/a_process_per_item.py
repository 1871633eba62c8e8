# fails: test_processes_compute_and_no_more_than_asked
# mistake: a process for every item, all at once, whatever n_workers says
import multiprocessing


def _work(connection, function, item):
    try:
        connection.send((function(item), None))
    except Exception as error:
        connection.send((None, error))


def parallel_map(function, items, n_workers):
    workers = []
    for item in items:
        ours, theirs = multiprocessing.Pipe()
        worker = multiprocessing.Process(target=_work, args=(theirs, function, item))
        worker.start()
        workers.append((worker, ours))
    answers = [ours.recv() for _, ours in workers]
    for worker, _ in workers:
        worker.join()
    for _, error in answers:
        if error is not None:
            raise error
    return [value for value, _ in answers]
