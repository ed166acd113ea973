"""`probe check --proxy`: which one it was, on whose word, and what was wrong with it."""

import json
import re

import pytest

from probe.cli.main import run as probe_command
from tests.cli import bad_servers
from tests.cli.bad_servers import serving
from tests.drivers.peers import closed_port


@pytest.fixture(autouse=True)
def only_our_own_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRADEPROBE_PROXY", raising=False)


def test_the_proxy_is_shown_with_who_named_it(capsys: pytest.CaptureFixture[str]) -> None:
    proxy = f"http://127.0.0.1:{closed_port()}"
    code = probe_command(["check", "sim:pocketoption", "--proxy", proxy])
    out, err = capsys.readouterr()
    assert (code, err) == (1, "")
    assert f"  via proxy {proxy}, from --proxy\n" in out
    assert f"the proxy cannot be reached ({proxy}: nothing listens on that port" in re.sub(r"\s+", " ", out)
    assert "tcp.proxy-refused" in out


def test_a_login_in_an_argument_is_warned_about_and_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    proxy = f"http://somebody:planted0secret@127.0.0.1:{closed_port()}"
    probe_command(["check", "sim:pocketoption", "--proxy", proxy])
    out, err = capsys.readouterr()
    assert "the proxy's login was given as an argument" in err
    assert "planted0secret" not in out + err


def test_none_goes_directly_whatever_the_environment_says(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADEPROBE_PROXY", f"http://127.0.0.1:{closed_port()}")
    with serving(bad_servers.page) as url:
        probe_command(["check", url, "--proxy", "none", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (told["proxy"], told["findings"][0]["code"]) == (None, "http.200-not-101")


def test_a_wrong_setting_is_a_usage_error_that_names_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADEPROBE_PROXY", "https://proxy.example:3128")
    code = probe_command(["check", f"ws://127.0.0.1:{closed_port()}/?EIO=3&transport=websocket"])
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert "environment variable TRADEPROBE_PROXY: a TLS connection to the proxy itself" in err


def test_a_simulator_inside_the_command_is_reached_without_the_proxy_of_the_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADEPROBE_PROXY", f"http://127.0.0.1:{closed_port()}")
    assert probe_command(["check", "sim:pocketoption", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["proxy"] is None
