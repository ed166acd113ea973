"""`probe check` of brokers without a login or without an address of their own: what is typed, refused and shown."""

import asyncio
import json
import socket
from pathlib import Path

import pytest

from probe.brokers import find_broker
from probe.cli.main import run as probe_command
from probe.simulator.run import Simulator

TOKEN = "planted0token" * 3 + "0123"
COOKIE = "planted0cookie0value"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEPROBE_HOME", str(tmp_path))
    monkeypatch.setenv("TOKEN", json.dumps({"token": TOKEN}))
    monkeypatch.setenv("COOKIE", json.dumps({"cookie": COOKIE}))
    monkeypatch.setenv("LOGIN", json.dumps({"account": 1, "password": "planted0password", "server": "A"}))
    monkeypatch.chdir(tmp_path)


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = probe_command(["check", *arguments])
    output = capsys.readouterr()
    assert "planted0" not in output.out + output.err
    return code, output.out, output.err


def test_where_nobody_logs_in_no_login_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    steps = {}
    for broker in ("bingx", "crypto"):
        code, out, _ = said(capsys, f"sim:{broker}", "--json")
        steps[broker] = [each["name"] for each in json.loads(out)["phases"]]
        assert code == 0
    assert steps == {
        "bingx": ["DNS", "TCP", "upgrade", "first price"],
        "crypto": ["DNS", "TCP", "greeting", "login", "first price"],
    }


def test_the_symbol_is_the_one_typed_else_the_configured_one(capsys: pytest.CaptureFixture[str]) -> None:
    Path("probe.toml").write_text('[targets.a]\ntarget = "sim:bingx"\nsymbols = ["ETH-USDT", "BTC-USDT"]\n')
    for arguments, symbol in ((("a",), "ETH-USDT"), (("a", "--symbol", "BTC-USDT"), "BTC-USDT")):
        code, out, _ = said(capsys, *arguments, "--json")
        assert (code, json.loads(out)["prices"]["symbol"]) == (0, symbol)


def test_without_a_credential_what_answers_is_said_to_answer(capsys: pytest.CaptureFixture[str]) -> None:
    async def look() -> tuple[int, str]:
        async with Simulator(["crypto"]) as simulator:
            (endpoint,) = simulator.plain_endpoints()
            code, out, _ = await asyncio.to_thread(said, capsys, endpoint.url, "--broker", "crypto")
            return code, " ".join(out.split())

    code, words = asyncio.run(look())
    assert code == 0
    assert "The server answers; no credential was given, so nothing was logged in." in words


@pytest.mark.parametrize(("reference", "title"), [("env:TOKEN", "MT5"), ("env:COOKIE", "Crypto backend")])
def test_a_credential_without_an_address_is_told_how_to_name_one(
    reference: str, title: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = said(capsys, reference)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: TARGET: {title} has no address that is the same for everybody. Name yours")
    assert "--endpoint URL" in err


@pytest.mark.parametrize("rest", ["?token=" + TOKEN, "/#" + TOKEN])
def test_a_url_that_may_hold_a_token_is_refused_and_not_repeated(
    rest: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = said(capsys, f"http://127.0.0.1:9{rest}", "--broker", "mt5")
    assert (code, "give the credential with --ssid" in err) == (2, True)


def test_a_url_alone_is_asked_whose_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = said(capsys, "http://127.0.0.1:9")
    assert (code, err) == (
        2,
        "error: the URL does not tell which broker this is. Say which with one of: --broker bingx, "
        "--broker crypto, --broker mt5.\n",
    )


def test_a_login_is_made_only_if_it_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.0)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        code, _, err = said(capsys, "env:LOGIN", "--endpoint", url)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert (code, "--login" in err) == (2, True)


def test_a_name_says_no_kind_of_account_where_there_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "env:TOKEN", "--endpoint", "http://127.0.0.1:9", "--timeout", "5s", "--json")
    told = json.loads(out)
    fingerprint = find_broker("mt5").read_credentials(json.dumps({"token": TOKEN})).token.fingerprint()
    assert (code, told["findings"][0]["code"]) == (1, "tcp.refused")
    assert told["target"] == f"mt5 session {fingerprint}"
