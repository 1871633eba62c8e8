# fails: test_that_many_while_there_is_work
# mistake: every thread gets its share of the urls beforehand
from concurrent.futures import ThreadPoolExecutor


def fetch_all(fetch, urls, max_workers):
    def work(first):
        return [fetch(url) for url in urls[first::max_workers]]

    pages = [None] * len(urls)
    with ThreadPoolExecutor(max_workers) as pool:
        for first, share in enumerate(pool.map(work, range(max_workers))):
            pages[first::max_workers] = share
    return pages
