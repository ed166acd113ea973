"""Load tests: Locust users on the same session core as every other command.

Importing Locust patches the standard library, so that happens only when one of the user classes is asked for.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loadtests.users import BingxUser, CryptoUser, Mt5User, PocketOptionUser, QuotexUser
    from probe.load.seed import LoadTestConfig

__all__ = ["BingxUser", "CryptoUser", "LoadTestConfig", "Mt5User", "PocketOptionUser", "QuotexUser"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "probe.load.seed" if name == "LoadTestConfig" else "loadtests.users"
    return getattr(importlib.import_module(module), name)
