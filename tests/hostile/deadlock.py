"""Two threads wait for each other, and the call for both."""

import threading


def double(n):
    locks = [threading.Lock(), threading.Lock()]
    both = threading.Barrier(2)

    def take(first, second):
        with locks[first]:
            both.wait()
            with locks[second]:
                pass

    threads = [threading.Thread(target=take, args=(i, 1 - i)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 2 * n
