# fails: test_small_work_is_no_bad_deal
# mistake: processes, whatever there is to do
import multiprocessing


def adaptive_map(function, items, max_workers):
    items = list(items)
    if not items:
        return []
    n_workers = min(max_workers, len(items))
    with multiprocessing.get_context("fork").Pool(n_workers) as pool:
        values = list(pool.imap(function, items, chunksize=max(1, len(items) // (n_workers * 64))))
        pool.close()
        pool.join()
    return values
