# fails: test_that_many_while_there_is_work
# mistake: each thread is joined before the next one is started
import threading


def fetch_all(fetch, urls, max_workers):
    pages = {}

    def work(index):
        pages[index] = fetch(urls[index])

    for index in range(len(urls)):
        thread = threading.Thread(target=work, args=(index,))
        thread.start()
        thread.join()
    return [pages[index] for index in range(len(urls))]
