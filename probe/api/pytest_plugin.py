"""The fixture `probe_target`, for tests of services that trade. Nothing else is imported before a test uses it."""

from collections.abc import Callable
from typing import Any

import pytest

TYPE_CHECKING = False  # a type checker takes it for typing's
if TYPE_CHECKING:
    from probe.api.checking import Checked


@pytest.fixture(scope="session")
def probe_target() -> "Callable[..., Checked]":
    """Checks a target as `probe check` does: `result = probe_target("sim:pocketoption")`, then `assert result.healthy, result`."""

    def check(target: str, **options: Any) -> "Checked":
        from probe.api.checking import check_now  # noqa: PLC0415 - most tests never need it
        from probe.model.errors import ProbeError  # noqa: PLC0415 - see above

        try:
            return check_now(target, **options)
        except ProbeError as problem:
            said = f"{problem}"
        pytest.fail(said, pytrace=False)

    return check
