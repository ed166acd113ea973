"""No configuration of this machine, and nothing left in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRADEPROBE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("TRADEPROBE_DEBUG", "TRADEPROBE_LOG_LEVEL", "TRADEPROBE_MAX_RETRIES", "TRADEPROBE_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)
    yield
    structlog.reset_defaults()
