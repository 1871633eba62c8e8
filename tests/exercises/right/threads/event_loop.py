"""An event loop that hands the waiting to threads, as web frameworks do."""

import asyncio
from concurrent.futures import ThreadPoolExecutor


def fetch_all(fetch, urls, max_workers):
    async def everything(pool):
        loop = asyncio.get_running_loop()
        calls = [loop.run_in_executor(pool, fetch, url) for url in urls]
        return await asyncio.gather(*calls, return_exceptions=True)

    with ThreadPoolExecutor(max_workers) as pool:
        pages = asyncio.run(everything(pool))
    for page in pages:
        if isinstance(page, BaseException):
            raise page
    return pages
