"""submit + as_completed with an index per future; errors are collected and the one with the lowest index is raised at the end."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import Callable, Sequence, TypeVar

Url = TypeVar("Url")
Page = TypeVar("Page")


def fetch_all(fetch: Callable[[Url], Page], urls: Sequence[Url], max_workers: int) -> list[Page]:
    urls = list(urls)
    pages: dict[int, Page] = {}
    errors: dict[int, BaseException] = {}

    with ThreadPoolExecutor(max_workers=max_workers, thread_name_prefix="fetch") as pool:
        index_of: dict[Future[Page], int] = {pool.submit(fetch, url): i for i, url in enumerate(urls)}
        for future in as_completed(index_of):
            index = index_of[future]
            error = future.exception()
            if error is not None:
                errors[index] = error
            else:
                pages[index] = future.result()

    if errors:
        raise errors[min(errors)]
    return [pages[i] for i in range(len(urls))]
