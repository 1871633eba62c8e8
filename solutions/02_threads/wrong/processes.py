# fails: test_threads_and_no_processes
# mistake: processes in place of threads
import multiprocessing


def fetch_all(fetch, urls, max_workers):
    with multiprocessing.get_context("fork").Pool(max_workers) as pool:
        return list(pool.imap(fetch, urls))
