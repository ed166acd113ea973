"""Proxies nobody here wrote are the judges: tinyproxy (CONNECT) and microsocks (SOCKS5), both wanting a login."""

import contextlib
import json
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from probe.cli.main import run as probe_command
from probe.drivers.proxied_http import Transport, proxy_failure
from probe.model.proxy import read_proxy_url
from tests.drivers.peers import closed_port, peer
from tests.drivers.pki import Pki
from tests.drivers.relays import answering

USER, PASSWORD = "somebody", "correct-horse"
LIMIT_SECONDS = 10.0
PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@contextlib.contextmanager
def running(program: str, arguments: Sequence[str | Path], port: int) -> Iterator[None]:
    """Until it answers on that port, and for as long as the context is open."""
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"no {program} here: apt-get install {program}")
    process = subprocess.Popen(
        [path, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + LIMIT_SECONDS
        while True:
            assert process.poll() is None, f"{program} ended at once"
            with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
                break
            assert time.monotonic() < until, f"{program} does not listen"
            time.sleep(0.01)  # it says nothing one could wait for
        yield
    finally:
        process.terminate()
        process.wait(LIMIT_SECONDS)


@pytest.fixture(scope="module")
def tinyproxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = closed_port()
    settings = tmp_path_factory.mktemp("tinyproxy") / "tinyproxy.conf"
    settings.write_text(
        f"Port {port}\nListen 127.0.0.1\nAllow 127.0.0.1\nMaxClients 20\nBasicAuth {USER} {PASSWORD}\n"
    )
    with running("tinyproxy", ["-d", "-c", settings], port):
        yield f"http://{{login}}127.0.0.1:{port}"


@pytest.fixture(scope="module")
def microsocks() -> Iterator[str]:
    port = closed_port()
    with running("microsocks", ["-i", "127.0.0.1", "-p", str(port), "-u", USER, "-P", PASSWORD], port):
        yield f"socks5://{{login}}127.0.0.1:{port}"


@pytest.fixture(params=["tinyproxy", "microsocks"])
def proxy(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """The URL with this login."""
    template: str = request.getfixturevalue(request.param)
    return lambda login: template.format(login=login and f"{login}@")


GOOD = f"{USER}:{PASSWORD}"


def check(capsys: pytest.CaptureFixture[str], target: str, url: str) -> dict[str, Any]:
    probe_command(["check", target, "--broker", "pocketoption", "--json", "--proxy", url])
    out, err = capsys.readouterr()
    assert PASSWORD not in out + err
    told: dict[str, Any] = json.loads(out)
    return told


def test_a_check_through_it_is_healthy_and_says_so(
    proxy: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    told = check(capsys, "sim:pocketoption", proxy(GOOD))
    assert (told["verdict"], told["findings"]) == ("healthy", [])
    assert told["proxy"] == {"url": proxy(""), "source": "--proxy"}
    assert [phase["name"] for phase in told["phases"]][:4] == ["DNS", "TCP", "proxy", "upgrade"]


@pytest.mark.parametrize(
    "login", ["", f"{USER}:wrong", "nobody:correct-horse"], ids=["none", "wrong", "other"]
)
def test_a_login_it_does_not_take_is_named(
    proxy: Callable[[str], str],
    login: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = check(capsys, "sim:pocketoption", proxy(login))
    assert told["findings"][0]["code"] == "tcp.proxy-auth"
    assert told["failure"]["blame"] == "the proxy"
    assert told["phases"][-1] == {"name": "proxy", "seconds": None, "finished": False}


def test_a_server_it_cannot_reach_is_not_blamed_on_the_broker(
    proxy: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    told = check(capsys, f"ws://127.0.0.1:{closed_port()}/", proxy(GOOD))
    assert told["failure"]["kind"] == "tcp.proxy-no-target"
    assert told["failure"]["blame"] == "not known"


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_httpx_goes_through_it(proxy: Callable[[str], str], pki: Pki, secure: bool) -> None:
    context = ssl.create_default_context(cafile=pki.ca_file)
    chosen = read_proxy_url(proxy(GOOD), "a test")
    with (
        peer(answering(PAGE), tls=pki.servers["good"] if secure else None) as port,
        httpx.Client(transport=Transport(chosen, context)) as client,
    ):
        assert client.get(f"http{'s' if secure else ''}://127.0.0.1:{port}/").text == "hello"


def test_httpx_says_that_the_login_is_wrong(proxy: Callable[[str], str]) -> None:
    chosen = read_proxy_url(proxy(f"{USER}:wrong"), "a test")
    with (
        httpx.Client(transport=Transport(chosen, ssl.create_default_context())) as client,
        pytest.raises(httpx.ProxyError) as caught,
    ):
        client.get("https://broker.invalid/")
    failure = proxy_failure(caught.value)
    assert failure is not None
    assert failure.kind == "tcp.proxy-auth"


def test_the_wrong_scheme_for_a_proxy_is_named(
    microsocks: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = microsocks.format(login="").replace("socks5", "http")
    told = check(capsys, "ws://127.0.0.1:1/", url)
    assert told["failure"]["kind"] == "tcp.proxy-protocol"
    assert "it speaks SOCKS5" in told["findings"][0]["cause"]
