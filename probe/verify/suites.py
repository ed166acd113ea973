"""All suites. Each is a module with a `SUITE`, and one line here."""

from importlib import import_module

from probe.model.errors import ConfigError, near_miss
from probe.verify.model import Suite

SUITES = {
    "integration": "probe.verify.integration",
    "advanced": "probe.verify.advanced",
    "performance": "probe.verify.performance",
    "channels": "probe.verify.channels",
}


def find_suite(name: str) -> Suite:
    """
    Raises:
        ConfigError: there is none of that name.
    """
    if name not in SUITES:
        raise ConfigError(
            f"there is no suite {name!r}",
            where="--suite",
            suggestion=near_miss(name, SUITES) or "",
            next_step=f"There are: {', '.join(SUITES)}.",
        )
    suite: Suite = import_module(SUITES[name]).SUITE
    return suite
