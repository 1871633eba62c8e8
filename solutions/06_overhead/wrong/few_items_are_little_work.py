# fails: test_few_dear_items_pay
# mistake: decides by the number of items: fewer than 50 cannot be much work
import multiprocessing


def adaptive_map(function, items, max_workers):
    items = list(items)
    if len(items) < 50:
        return [function(item) for item in items]
    n_workers = min(max_workers, len(items))
    with multiprocessing.get_context("fork").Pool(n_workers) as pool:
        values = list(pool.imap(function, items, chunksize=max(1, len(items) // (n_workers * 64))))
        pool.close()
        pool.join()
    return values
