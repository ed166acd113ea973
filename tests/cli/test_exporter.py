"""`probe exporter` as its user meets it: what it says, what it serves, how it ends, and what it never shows."""

import base64
import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest

from probe.cli.bridges import BRIDGES, bridge
from probe.cli.main import run as probe_command
from tests.cli.exporting import ask, exporting, metrics, until, url_of
from tests.cli.monitoring import ENDS_WITHIN, Served, served, watching

SIM = ("sim:pocketoption", "--store", "none")
PATHS = (
    "/",
    "/metrics",
    "/api/v1/status",
    "/sd",
    "/logs",
    "/badge/pocketoption.svg",
    "/-/healthy",
    "/-/ready",
)
PASSWORD, PROXY_PASSWORD, OTLP_PATH, DEADMAN_PATH, HOOK_PATH, OLD = (
    "planted0web0word",
    "planted0proxy0word",
    "planted0otlp0path",
    "planted0deadman0path",
    "planted0hook0path",
    "planted0old0token0000000001",
)
CONFIG = """
[targets.good]
broker = "pocketoption"
endpoints = ["{url}"]
credentials = "file:{good}"
knock_every = "10s"

[targets.refused]
broker = "pocketoption"
endpoints = ["{url}"]
credentials = "file:{old}"

[targets.proxied]
broker = "pocketoption"
endpoints = ["{url}"]
credentials = "file:{good}"
proxy = "env:MY_PROXY"

[monitor]
deadman = "env:DEADMAN"

[[alerts.channels]]
name = "hook"
webhook = "env:HOOK"
severity = "info"

[exporter]
web_config = "web.yml"
otlp = "env:OTLP"
otlp_every = "1s"
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def broker() -> Iterator[Served]:
    with served() as one:
        yield one


def file(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("name", BRIDGES)
def test_every_bridge_leads_somewhere(name: str) -> None:
    assert bridge(name) is not None


def test_it_serves_until_ctrl_c_and_ends_in_time(home: Path) -> None:
    with exporting(home, *SIM) as (running, url):
        until(lambda: ask(f"{url}/-/ready")[0] == 200, "never ready")
        assert {path: ask(f"{url}{path}")[0] for path in PATHS} == dict.fromkeys(PATHS, 200)
        assert ask(f"{url}/nothing")[0] == 404
        status, answer = ask(f"{url}/probe?target=pocketoption")
        assert (status, "\nprobe_success 1" in answer) == (200, True)
        up = ("tradeprobe_session_up", (("target", "pocketoption"),))
        until(lambda: metrics(url).get(up) == 1.0, "never up")
        ran = running.end(signal.SIGINT)
    assert (ran.code, ran.seconds < ENDS_WITHIN) == (0, True)
    assert ran.err == f"serving {url}/ to this machine only\n"
    assert "STREAMING" in ran.out


def test_a_port_that_is_taken_is_said_in_words(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(home)
    monkeypatch.setenv("TRADEPROBE_HOME", str(home))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        assert probe_command(["exporter", *SIM, "--listen", place]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(
        f"error: the exporter cannot listen on 127.0.0.1, port {place.rpartition(':')[2]} ("
    )


def test_a_monitor_serves_the_same_when_it_is_told(home: Path) -> None:
    arguments = (*SIM, "--json", "--exporter", "127.0.0.1:0", "--for", "1h")
    with watching(home, *arguments) as running:
        url = url_of(running)
        assert ask(f"{url}/metrics")[0] == 200
        assert ask(f"{url}/-/healthy")[0] == 200
        ran = running.end(signal.SIGTERM)
    assert ran.code == 143  # it was to run for an hour
    assert ran.told[-1]["kind"] == "summary"


def test_a_planted_secret_is_on_no_page_in_no_log_and_on_no_screen(broker: Served, home: Path) -> None:
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    file(home / "web.yml", f"basic_auth_users:\n  prometheus: {hashed}\n")
    token = json.loads(broker.ssid[2:])[1]["session"]
    good = file(home / "good", broker.ssid)
    old = file(home / "old", broker.ssid.replace(json.dumps(token)[1:-1], OLD))
    config = CONFIG.format(url=broker.url, good=good, old=old)
    file(home / "probe.toml", config)
    with socket.create_server(("127.0.0.1", 0)) as free:
        gone = f"127.0.0.1:{free.getsockname()[1]}"
    more = {
        "MY_PROXY": f"http://me:{PROXY_PASSWORD}@{gone}",
        "OTLP": f"http://{gone}/{OTLP_PATH}/v1/metrics",
        "DEADMAN": f"http://{gone}/{DEADMAN_PATH}",
        "HOOK": f"http://{gone}/{HOOK_PATH}",
        "NO_PROXY": "",
        "TRADEPROBE_LOG_LEVEL": "debug",
    }
    shown = ""
    with exporting(home, "--json", more=more) as (running, url):
        basic = base64.b64encode(f"prometheus:{PASSWORD}".encode()).decode()
        known = {"Authorization": f"Basic {basic}"}
        for sign in (
            '"state": "auth_rejected"',
            '"state": "streaming"',
            '"otlp.failing"',
            '"state": "backoff"',
        ):
            until(lambda: any(sign in line for line in running.out), sign)  # noqa: B023 - called at once
        for path in PATHS:
            shown += ask(f"{url}{path}")[1]  # without a password
        for path in (
            *PATHS,
            *(f"/probe?target={name}&debug=true" for name in ("good", "refused", "proxied", "nobody")),
            "/logs",
            "/logs?id=1",
            "/badge/refused.svg",
            "/nothing",
            "/%2e%2e/web.yml",
            "/web.yml",
        ):
            status, answer = ask(f"{url}{path}", headers=known)
            assert status < 500 or status == 503, path
            shown += answer
        assert "probe_success" in shown
        # A credential in the clear, in the wrong place, in a file that is no TOML: nobody repeats it.
        ssid = json.dumps(broker.ssid)
        for broken in (f"credentials = {ssid}", f"[targets.x]\ncredentials = {ssid}", f"x = {broker.ssid}"):
            file(home / "probe.toml", f"{broken}\n{config}")
            status, answer = ask(f"{url}/-/reload", method="POST", headers=known)
            assert status == 500
            shown += answer
        wrong = ask(f"{url}/metrics", headers={"Authorization": f"Basic {basic[:-4]}xxxx"})
        assert wrong[0] == 401
        shown += wrong[1]
        ran = running.end(signal.SIGTERM)
    assert ran.code == 0
    shown += ran.out + ran.err
    for secret in (token, OLD, PASSWORD, basic, hashed, PROXY_PASSWORD, OTLP_PATH, DEADMAN_PATH, HOOK_PATH):
        assert secret not in shown
        assert json.dumps(secret)[1:-1] not in shown
