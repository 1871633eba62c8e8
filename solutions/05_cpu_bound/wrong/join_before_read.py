# fails: test_unusual_values
# mistake: workers are joined before their values are read: with large values both sides wait for ever
import multiprocessing


def _work(queue, function, numbered):
    while True:
        with numbered.get_lock():
            index = numbered.value
            numbered.value += _work.size
        part = _work.items[index : index + _work.size]
        if not part:
            return
        try:
            queue.put((index, [function(item) for item in part], None))
        except Exception as error:
            queue.put((index, None, error))


def parallel_map(function, items, n_workers):
    context = multiprocessing.get_context("fork")
    _work.items = list(items)
    _work.size = max(1, len(_work.items) // (n_workers * 32))
    queue = context.Queue()
    numbered = context.Value("q", 0)
    workers = [context.Process(target=_work, args=(queue, function, numbered)) for _ in range(n_workers)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    parts = sorted((queue.get() for _ in range(0, len(_work.items), _work.size)), key=lambda part: part[0])
    queue.close()
    queue.join_thread()
    values = []
    for _, part, error in parts:
        if error is not None:
            raise error
        values.extend(part)
    return values
