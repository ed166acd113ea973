from pathlib import Path

import pytest

from probe.brokers import all_brokers
from probe.session.broker import Broker

OPTIONS = [each for each in all_brokers() if each.has_socket and each.rules.needs_login]


@pytest.fixture(params=OPTIONS, ids=lambda broker: broker.name)
def broker(request: pytest.FixtureRequest) -> Broker:
    """What is promised of every house that sells options over a socket."""
    found: Broker = request.param
    return found


@pytest.fixture(scope="session")
def authority_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One authority for all tests that only use it."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def with_tls(authority_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEPROBE_HOME", str(authority_home))
