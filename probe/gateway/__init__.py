"""A read-only REST gateway over a trading terminal, for one account."""
