"""What all tests share."""

import signal

from hypothesis import HealthCheck, settings

# The same examples in every run, and no deadline: neither chance nor a busy machine may fail a test.
settings.register_profile(
    "ours", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ours")

# A shell starts what runs in the background with Ctrl-C ignored, and programs inherit that: the tests stop some.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
