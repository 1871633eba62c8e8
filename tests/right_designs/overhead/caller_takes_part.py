"""max_workers - 1 processes and the caller take pieces from a shared counter."""

import multiprocessing
import time


def _work(function, items, following, size):
    done = []
    while True:
        with following.get_lock():
            begin = following.value
            following.value += size
        if begin >= len(items):
            return done
        try:
            done.append((begin, [function(item) for item in items[begin : begin + size]], None))
        except Exception as error:
            done.append((begin, None, error))
            return done


def _send(writer, *arguments):
    writer.send(_work(*arguments))


def adaptive_map(function, items, max_workers):
    items = list(items)
    values = []
    begin = time.thread_time()
    for item in items:
        if max_workers > 1 and time.thread_time() - begin > 0.02:
            break
        values.append(function(item))
    rest = items[len(values) :]
    if not rest:
        return values
    context = multiprocessing.get_context("fork")
    following = context.Value("q", 0)
    size = max(1, len(rest) // (64 * max_workers))
    others = []
    for _ in range(min(max_workers, len(rest)) - 1):
        reader, writer = context.Pipe(duplex=False)
        other = context.Process(target=_send, args=(writer, function, rest, following, size))
        other.start()
        others.append((other, reader))
    done = _work(function, rest, following, size)
    for other, reader in others:
        done += reader.recv()
        other.join()
        reader.close()
    for _, part, error in sorted(done, key=lambda row: row[0]):
        if error is not None:
            raise error
        values += part
    return values
