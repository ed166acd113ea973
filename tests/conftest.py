"""What every test gets."""

from hypothesis import settings

pytest_plugins = ["pytester", "tests.plugins.skips"]

# A busy machine is not a bug: hangs are caught by the time limit per test, slowness by `--durations`.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")
