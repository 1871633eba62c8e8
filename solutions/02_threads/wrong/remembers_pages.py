# fails: test_every_url_is_fetched_once_in_every_call
# mistake: pages of earlier calls are remembered
from concurrent.futures import ThreadPoolExecutor

_known = {}


def fetch_all(fetch, urls, max_workers):
    with ThreadPoolExecutor(max_workers) as pool:
        missing = [url for url in urls if url not in _known]
        _known.update(zip(missing, pool.map(fetch, missing)))
    return [_known[url] for url in urls]
