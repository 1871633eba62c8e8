# fails: test_that_many_while_there_is_work
# mistake: max_workers urls at a time, and the next ones when all of these are there
import threading


def fetch_all(fetch, urls, max_workers):
    outcomes = [None] * len(urls)

    def work(index):
        try:
            outcomes[index] = (fetch(urls[index]), None)
        except Exception as error:
            outcomes[index] = (None, error)

    for begin in range(0, len(urls), max_workers):
        threads = [
            threading.Thread(target=work, args=(index,)) for index in range(begin, min(begin + max_workers, len(urls)))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for _, error in outcomes:
        if error is not None:
            raise error
    return [page for page, _ in outcomes]
