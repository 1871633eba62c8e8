"""asyncio: gather over run_in_executor on an executor of our own; the calls answer with closures that return or raise."""

import asyncio
from concurrent.futures import ThreadPoolExecutor


def _outcome(fetch, url):
    """Runs in a thread. Never raises, so that no kind of exception meets the event loop."""
    try:
        value = fetch(url)
    except BaseException as error:
        failure = error

        def unwrap():
            raise failure
    else:

        def unwrap():
            return value

    return unwrap


async def _gather(pool, fetch, urls):
    loop = asyncio.get_running_loop()
    return await asyncio.gather(*(loop.run_in_executor(pool, _outcome, fetch, url) for url in urls))


def fetch_all(fetch, urls, max_workers):
    with ThreadPoolExecutor(max_workers) as pool:
        outcomes = asyncio.run(_gather(pool, fetch, urls))
    return [unwrap() for unwrap in outcomes]
