# fails: test_small_cases
# mistake: results and failures in one list, told apart by their type: an exception that fetch returns is raised
from concurrent.futures import ThreadPoolExecutor


def fetch_all(fetch, urls, max_workers):
    def attempt(url):
        try:
            return fetch(url)
        except Exception as error:
            return error

    if not urls:
        return []
    with ThreadPoolExecutor(min(max_workers, len(urls))) as pool:
        results = list(pool.map(attempt, urls))
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results
