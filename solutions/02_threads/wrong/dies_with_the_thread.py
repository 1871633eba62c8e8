# fails: test_the_first_failing_url_is_raised
# mistake: the exception ends its thread, and nobody hears of it
import threading


def fetch_all(fetch, urls, max_workers):
    pages = [None] * len(urls)
    free = threading.Semaphore(max_workers)

    def work(index):
        with free:
            pages[index] = fetch(urls[index])

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(urls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return pages
