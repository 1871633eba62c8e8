# fails: test_the_first_failing_url_is_raised
# mistake: a url that fails gives None
from concurrent.futures import ThreadPoolExecutor


def fetch_all(fetch, urls, max_workers):
    def quietly(url):
        try:
            return fetch(url)
        except Exception:
            return None

    with ThreadPoolExecutor(max_workers) as pool:
        return list(pool.map(quietly, urls))
