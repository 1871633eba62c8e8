# fails: test_large_work_pays
# mistake: a plain loop, whatever there is to do
def adaptive_map(function, items, max_workers):
    return [function(item) for item in items]
