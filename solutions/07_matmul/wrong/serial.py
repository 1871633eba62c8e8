# fails: test_n_workers_compute
# mistake: one process does it all
def block_matmul(a, b, n_workers, block):
    return a @ b
