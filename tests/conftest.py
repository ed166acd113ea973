"""What every test gets."""

import pytest
from hypothesis import settings

from tests.pretending import KNOWN, Known

pytest_plugins = ["pytester", "tests.plugins.skips"]

# A busy machine is not a bug: hangs are caught by the time limit per test, slowness by `--durations`.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.fixture(autouse=True)
def _memory_of_a_monitor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not that of thousands of tests in one process, of which a monitor among them would complain."""
    monkeypatch.setattr("probe.monitor.monitor.resident_megabytes", lambda: 100.0)


@pytest.fixture(autouse=True)
def _no_port_was_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is given the port of one that was touched a moment ago is not the same place."""
    monkeypatch.setattr("probe.drivers.touch._touched_at", {})


@pytest.fixture(params=KNOWN, ids=lambda known: known.broker.name)
def known(request: pytest.FixtureRequest) -> Known:
    """Every broker that sessions are held with; what a test promises with this holds for all of them."""
    one: Known = request.param
    return one
