"""The commands know Kestrel, as they know the brokers that tradeprobe brings: the package need only be installed."""

import json
from pathlib import Path

import pytest

from probe.cli.main import run

TOKEN = "planted0secret0token000001"


def test_check_finds_it_healthy(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "sim:kestrel", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["verdict"], said["broker"]) == ("healthy", "kestrel")


def test_monitor_sees_prices_flow(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["monitor", "sim:kestrel", "--until", "healthy", "--for", "30s", "--plain"]) == 0
    assert "STREAMING     prices flow and requests are answered" in capsys.readouterr().out


def test_doctor_names_what_is_wrong_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "sim:kestrel", "--fault", "auth-refused", "--json"]) == 1
    assert "auth.session-expired" in capsys.readouterr().out


def test_targets_name_it_and_know_its_credential(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KESTREL", f"LOGIN|{TOKEN}|demo")
    config = tmp_path / "probe.toml"
    config.write_text('[targets.mine]\ncredentials = "env:KESTREL"\n')
    assert run(["targets", "--config", str(config), "--json"]) == 0
    out = capsys.readouterr().out
    (target,) = json.loads(out)["targets"]
    assert (target["broker"], TOKEN in out) == ("kestrel", False)
