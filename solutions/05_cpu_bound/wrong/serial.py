# fails: test_even_work_is_fast
# mistake: a plain loop: no process at all
def parallel_map(function, items, n_workers):
    return [function(item) for item in items]
