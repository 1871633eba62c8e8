"""A process per strip of rows, under spawn; the result comes back through pipes."""

import multiprocessing
from multiprocessing import shared_memory

import numpy as np


def _strip(writer, names, shapes, begin, end):
    segments = [shared_memory.SharedMemory(name=name) for name in names]
    a, b = (np.ndarray(shape, np.float64, segment.buf) for shape, segment in zip(shapes, segments, strict=True))
    writer.send(a[begin:end] @ b)
    writer.close()
    del a, b
    for segment in segments:
        segment.close()


def block_matmul(a, b, n_workers, block):
    if a.shape[1] != b.shape[0]:
        raise ValueError("shapes do not fit")
    if block < 1 or n_workers < 1:
        raise ValueError("nothing to work with")
    context = multiprocessing.get_context("spawn")
    segments, started, strips = [], [], []
    try:
        for operand in (a, b):
            segment = shared_memory.SharedMemory(create=True, size=operand.nbytes or 1)
            segments.append(segment)
            view = np.ndarray(operand.shape, np.float64, segment.buf)
            view[:] = operand
            del view
        bounds = [a.shape[0] * worker // n_workers for worker in range(n_workers + 1)]
        names, shapes = [segment.name for segment in segments], [a.shape, b.shape]
        for begin, end in zip(bounds, bounds[1:], strict=False):
            reader, writer = context.Pipe(duplex=False)
            process = context.Process(target=_strip, args=(writer, names, shapes, begin, end))
            process.start()
            writer.close()
            started.append((process, reader))
        strips = [reader.recv() for _, reader in started]
    except BaseException:
        for process, _ in started:
            process.terminate()
        raise
    finally:
        for process, reader in started:
            process.join()
            reader.close()
        for segment in segments:
            segment.close()
            segment.unlink()
    return np.concatenate(strips)
