"""What all tests share."""

from hypothesis import HealthCheck, settings

# The same examples in every run, and no deadline: neither chance nor a busy machine may fail a test.
settings.register_profile(
    "ours", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ours")
