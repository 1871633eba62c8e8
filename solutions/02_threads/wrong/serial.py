# fails: test_that_many_while_there_is_work
# mistake: a plain loop: one call after the other
def fetch_all(fetch, urls, max_workers):
    return [fetch(url) for url in urls]
