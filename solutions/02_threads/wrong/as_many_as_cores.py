# fails: test_that_many_while_there_is_work
# mistake: two threads, as many as the machine has cores: for work that waits that says nothing
from concurrent.futures import ThreadPoolExecutor


def fetch_all(fetch, urls, max_workers):
    with ThreadPoolExecutor(min(2, max_workers)) as pool:
        return list(pool.map(fetch, urls))
