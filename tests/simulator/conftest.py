from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def authority_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One authority for all tests that only use it."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def with_tls(authority_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEPROBE_HOME", str(authority_home))
