"""`probe targets`: the configuration as understood, without a secret."""

import json
from pathlib import Path

import jsonschema
import pytest

from probe.cli.main import run as probe_command
from tests.config.corpus import SECRET
from tests.pretending import SSID

TEXT = f"""
[targets.demo]
credentials = "env:PO"
symbols = ["EURUSD_otc", "GBPUSD_otc", "AUDCAD_otc", "USDJPY_otc"]
proxy = "env:MY_PROXY"
[targets.practice]
target = "sim:quotex"
knock_every = "2m"
connect = "fallback"
[targets.door]
endpoints = ["ws://127.0.0.1:9/socket.io/?EIO=4&transport=websocket&key={SECRET}"]
[monitor]
deadman = "https://ping.example/{SECRET}"
stall_reconnect = 0
[[alerts.channels]]
name = "phone"
url = "tgram://{SECRET}/1"
[[alerts.channels]]
name = "hook"
webhook = "https://hook.example/{SECRET}"
[[alerts.channels]]
name = "run"
command = ["curl", "-H", "Authorization: {SECRET}"]
"""


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "probe.toml"
    path.write_text(TEXT)
    monkeypatch.setenv("TRADEPROBE_CONFIG", str(path))
    monkeypatch.setenv("PO", SSID)  # its token is SECRET
    return path


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = probe_command(["targets", *arguments])
    output = capsys.readouterr()
    return code, output.out, output.err


@pytest.mark.parametrize(
    "arguments", [(), ("--show",), ("--json",), ("--json", "--show"), ("--check",), ("--schema",)]
)
def test_no_way_of_asking_shows_a_secret(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    code, out, err = said(capsys, *arguments)
    assert (code, SECRET in out, SECRET in err) == (0, False, False)


def test_one_row_says_what_a_target_is(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [line.split("  ") for line in said(capsys)[1].splitlines()]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert cells == [
        ["target", "broker", "account", "endpoints", "connect", "objective", "symbols", "credentials"],
        ["demo", "pocketoption", "demo", "2 (demo-eu, demo-guest)", "race", "99 %", "EURUSD_otc, GBPUSD_otc, AUDCAD_otc and 1 more", "env:PO"],
        ["practice", "quotex", "demo", "–", "fallback", "99 %", cells[2][6], "its own"],
        ["door", "pocketoption", "–", "1 (custom)", "fallback", "99 %", "EURUSD_otc", "–"],
    ]  # fmt: skip


def test_a_credential_that_cannot_be_read_is_an_error_of_its_row_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PO")
    code, out, err = said(capsys)
    assert (code, "env:PO (cannot be read)" in out, out.count("\n")) == (2, True, 4)
    assert "error: no credential found in the environment variable 'PO', for the target 'demo'. Set it" in err
    code, out, err = said(capsys, "--check")
    assert (code, out, "error: no credential found" in err) == (2, "", True)


def test_show_tells_every_value_and_who_said_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADEPROBE_MAX_RETRIES", "7")
    lines = {line.split(" ")[0]: line.partition("= ")[2] for line in said(capsys, "--show")[1].splitlines()}
    for key, value, origin in (
        ("max_retries", "7", "TRADEPROBE_MAX_RETRIES"),
        ("targets.practice.knock_every", "2m", "probe.toml"),
        ("targets.demo.knock_every", "5m", "default"),
        ("targets.demo.proxy", "env:MY_PROXY", "probe.toml"),
        ("monitor.stall_reconnect", "never", "probe.toml"),
        ("monitor.deadman", "https://***", "probe.toml"),
        ("alerts.channels[0].url", "tgram://***", "probe.toml"),
        ("alerts.channels[2].command", "curl, ***, ***", "probe.toml"),
        ("store.path", "store.db in your data folder", "default"),
    ):
        assert [part.strip() for part in lines[key].split("  #")] == [value, origin]


def test_json_says_the_same_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(said(capsys, "--json", "--show")[1])
    assert list(told)[:3] == ["schema_version", "kind", "at"]
    assert [(row["name"], row["account"], row["readable"]) for row in told["targets"]] == [
        ("demo", "demo", True),
        ("practice", "demo", None),
        ("door", "none", None),
    ]
    assert told["settings"]["targets.practice.knock_every"] == {"value": 120.0, "origin": "probe.toml"}
    assert (len(told["warnings"]), told["errors"]) == (1, [])


def test_warnings_come_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert "warning: alerts.channels[0].url stands in the file in the clear" in said(capsys)[2]


def test_a_broken_configuration_ends_with_2(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    file.write_text("[monitr]\n")
    code, out, err = said(capsys, "--check")
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {file}: monitr: nothing is called that (did you mean 'monitor'?)")


def test_the_schema_is_printed_also_without_a_configuration(
    capsys: pytest.CaptureFixture[str], file: Path
) -> None:
    file.unlink()
    code, out, _ = said(capsys, "--schema")
    jsonschema.Draft202012Validator.check_schema(json.loads(out))
    assert code == 0


def test_without_targets_it_says_so(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    file.write_text("")
    assert said(capsys)[:2] == (0, f"No targets in {file}. docs/configuration.md shows how one is written.\n")
