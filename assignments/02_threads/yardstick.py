"""What waiting at the same time can give: runs where no submission is, so that none can call it."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

Fetch = Callable[[str], Any]


def run(fetch: Fetch, urls: Sequence[str], max_workers: int) -> list[Any]:
    """The pages, fetched by threads with a fixed share each, which is fair where all pages take equally long."""
    pages: list[Any] = [None] * len(urls)

    def work(first: int) -> None:
        for index in range(first, len(urls), max_workers):
            pages[index] = fetch(urls[index])

    threads = [threading.Thread(target=work, args=(first,)) for first in range(max_workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return pages
