# fails: test_processes_compute_and_no_more_than_asked
# mistake: n_workers processes and the caller compute: one more than asked for
import multiprocessing


def _work(connection, function, items, following):
    parts = []
    while (part := _next_part(items, following)) is not None:
        begin, end = part
        try:
            parts.append((begin, [function(item) for item in items[begin:end]], None))
        except Exception as error:
            parts.append((begin, None, error))
    if connection is None:
        return parts
    connection.send(parts)


def _next_part(items, following):
    size = max(1, len(items) // 256)
    with following.get_lock():
        begin = following.value
        following.value += size
    return (begin, begin + size) if begin < len(items) else None


def parallel_map(function, items, n_workers):
    items = list(items)
    following = multiprocessing.Value("q", 0)
    workers = []
    for _ in range(n_workers):
        ours, theirs = multiprocessing.Pipe()
        worker = multiprocessing.Process(target=_work, args=(theirs, function, items, following))
        worker.start()
        workers.append((worker, ours))
    parts = _work(None, function, items, following)
    for worker, ours in workers:
        parts.extend(ours.recv())
        worker.join()
    values = []
    for _, part, error in sorted(parts, key=lambda part: part[0]):
        if error is not None:
            raise error
        values.extend(part)
    return values
