"""`probe check` of what is polled, as its user meets it when the other end is wrong, slow, huge or malicious."""

import contextlib
import io
import json
import socket
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from probe.cli.main import run as probe_command
from tests.cli import bad_backends
from tests.cli.bad_backends import MIB, after_health, always, as_json, bomb, echo, http, over_tls, serving_web
from tests.cli.bad_servers import Behaviour, linger
from tests.drivers.pki import Pki, make_pki

TOKENS = {
    "crypto": "planted0secret0cookie00000000000000001",
    "mt5": "planted0secret0token0000000000000000000000A",
}
ADDRESS = "ann.other@mail.example"
SECONDS = 0.3  # that a check is given
MEMORY = 24 * MIB  # at most, beyond what was there


@dataclass
class Ran:
    code: int
    out: str
    seconds: float

    @property
    def told(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        return told

    @property
    def finding(self) -> dict[str, str]:
        first: dict[str, str] = self.told["findings"][0]
        return first


@pytest.fixture(params=sorted(TOKENS))
def broker(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("credentials")
    for name, token in TOKENS.items():
        (folder / name).write_text(json.dumps({"cookie" if name == "crypto" else "token": token}))
        (folder / name).chmod(0o600)
    return {name: f"file:{folder / name}" for name in TOKENS}


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"))


def probe(*arguments: str, seconds: float = SECONDS) -> Ran:
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    began = time.monotonic()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = probe_command([*arguments, "--timeout", f"{seconds:g}s"])
    buffer = out.buffer
    assert isinstance(buffer, io.BytesIO)
    return Ran(code, buffer.getvalue().decode(), time.monotonic() - began)


def checked(url: str, broker: str, files: dict[str, str], *more: str, seconds: float = SECONDS) -> Ran:
    ran = probe("check", url, "--broker", broker, "--ssid", files[broker], "--json", *more, seconds=seconds)
    assert ran.seconds < seconds + 2
    assert TOKENS[broker] not in ran.out
    assert ADDRESS not in ran.out
    return ran


HTML = http(b"<html><title>Welcome</title></html>")
NOT_FOUND = as_json(b'{"detail":"Not Found"}', b"404 Not Found")
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"
PACKED = as_json(bomb(1), b"200 OK", b"Content-Encoding: gzip")
PACKED_TWICE = as_json(bomb(2), b"200 OK", b"Content-Encoding: gzip, gzip")
FLOOD = as_json(bad_backends.FLOOD)

CASES: dict[str, tuple[Behaviour, str]] = {
    "wrong path": (always(NOT_FOUND), "HTTP 404"),
    "a page": (always(HTML), "it is a page (HTML)"),
    "no UTF-8": (always(as_json(b'{"status":"\xff"}')), "no UTF-8"),
    "no number": (always(as_json(b'{"status":NaN}')), "NaN"),
    "400 digits": (always(as_json(b'{"status":' + b"9" * 400 + b"}")), "a number of 400 digits"),
    "deep": (always(as_json(b"[" * 100_000)), "nested too deeply"),
    "nothing": (always(EMPTY), "the body is empty"),
    "reset": (bad_backends.reset_in_the_middle, "reset"),
    "dribbled": (bad_backends.dribbling, "did not answer"),
    "silent": (linger, "did not answer"),
    "wrong path behind the login": (after_health(NOT_FOUND), "HTTP 404"),
    "a page behind the login": (after_health(HTML), "it is a page (HTML)"),
    "no number behind the login": (after_health(as_json(b'{"id":NaN}')), "NaN"),
    "nothing behind the login": (after_health(EMPTY), "the body is empty"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_bad_backend_ends_in_time_in_one_clear_sentence(
    case: str, broker: str, files: dict[str, str]
) -> None:
    behave, words = CASES[case]
    with serving_web(behave) as url:
        ran = checked(url, broker, files)
    assert (ran.code, ran.told["verdict"]) == (1, "failed")
    assert words in ran.finding["cause"]
    assert ran.finding["next_step"]


HUGE: dict[str, Behaviour] = {
    "10 MB": always(FLOOD),
    "endless": bad_backends.endless,
    "a bomb": always(PACKED),
    "a bomb in a bomb": always(PACKED_TWICE),
    "10 MB behind the login": after_health(FLOOD),
    "a bomb behind the login": after_health(PACKED),
}


@pytest.mark.parametrize("case", HUGE)
def test_whatever_is_sent_costs_little_memory(case: str, broker: str, files: dict[str, str]) -> None:
    with serving_web(HUGE[case]) as url:
        tracemalloc.start()
        try:
            ran = checked(url, broker, files, seconds=5.0)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert ran.code == 1
    assert "longer than any answer" in ran.finding["cause"] or "not compressed" in ran.finding["cause"]
    assert peak < MEMORY


@contextlib.contextmanager
def somebody_else() -> Iterator[tuple[str, list[bytes]]]:
    heard: list[bytes] = []

    def listen(connection: socket.socket) -> None:
        heard.append(connection.recv(65536))

    with serving_web(listen) as url:
        yield url, heard


@pytest.mark.parametrize("status", [b"302 Found", b"307 Temporary", b"308 For Good"])
@pytest.mark.parametrize("opens", [False, True], ids=["at once", "behind the login"])
def test_a_redirect_is_told_and_never_followed(
    status: bytes, opens: bool, broker: str, files: dict[str, str]
) -> None:
    with somebody_else() as (elsewhere, heard):
        moved = http(b"", status, b"Location: " + elsewhere.encode() + b"/me")
        with serving_web(after_health(moved) if opens else always(moved)) as url:
            ran = checked(url, broker, files)
    assert (ran.code, ran.finding["code"]) == (1, "http.redirect")
    assert elsewhere in ran.finding["cause"]
    assert heard == []


@pytest.mark.parametrize(
    "status", [b"200 OK", b"302 Found", b"400 No", b"401 No", b"403 No", b"429 No", b"500 No"]
)
def test_who_repeats_the_credential_does_not_make_us_show_it(
    status: bytes, broker: str, files: dict[str, str]
) -> None:
    with serving_web(after_health(echo(status))) as url:
        ran = checked(url, broker, files)
        as_text = probe("check", url, "--broker", broker, "--ssid", files[broker])
        measured = probe(
            "endpoints",
            url,
            "--broker",
            broker,
            "--ssid",
            files[broker],
            "--auth",
            "--region",
            "custom",
            "--json",
        )
    assert ran.code in (1, 4)
    for out in (as_text.out, measured.out):
        assert (TOKENS[broker] in out, ADDRESS in out) == (False, False)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("expired", "tls.server-cert-expired"),
        ("wrong host", "tls.hostname"),
        ("self-signed", "tls.unknown-ca"),
    ],
)
def test_who_cannot_prove_who_it_is_gets_no_question(
    kind: str, code: str, broker: str, files: dict[str, str], pki: Pki
) -> None:
    heard: list[bytes] = []

    def listen(connection: socket.socket) -> None:
        heard.append(connection.recv(65536))

    with serving_web(over_tls(pki.servers[kind], listen), "https") as url:
        ran = checked(url, broker, files, "--ca", str(pki.ca_file))
    assert (ran.code, ran.finding["code"]) == (1, code)
    assert [each for each in heard if each] == []


def test_tls_where_none_is_spoken_and_none_where_it_is(broker: str, files: dict[str, str], pki: Pki) -> None:
    with serving_web(always(EMPTY), "https") as url:
        ran = checked(url, broker, files)
    assert (ran.code, ran.finding["code"].partition(".")[0]) == (1, "tls")
    with serving_web(over_tls(pki.servers["good"], always(EMPTY))) as url:
        ran = checked(url, broker, files)
    assert ran.code == 1
    assert ran.finding["code"] in ("http.not-http", "http.open-timeout", "session.tcp-reset")


def test_an_unencrypted_place_elsewhere_is_not_given_the_credential(
    broker: str, files: dict[str, str]
) -> None:
    """Nobody answers at that name; what is told first is that nothing would have been sent."""
    ran = probe(
        "endpoints",
        "http://host.invalid",
        "--broker",
        broker,
        "--ssid",
        files[broker],
        "--auth",
        "--region",
        "custom",
    )
    assert ran.code == 2
    assert "unencrypted" in ran.out
    assert TOKENS[broker] not in ran.out
