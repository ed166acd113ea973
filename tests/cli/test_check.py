"""`probe check` as its user meets it: a verdict in words, in time, in bounded memory, with the right exit code."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from probe.cli.main import run as probe_command
from tests.cli import bad_servers
from tests.cli.bad_servers import Behaviour, serving
from tests.pretending import SSID, TOKEN

REPLY_LIMIT = 100 * 1024  # of memory beyond a healthy check, KiB


@dataclass
class Ran:
    code: int
    out: str
    err: str
    seconds: float
    memory: int  # KiB at most

    @property
    def told(self) -> dict[str, Any]:
        (line,) = self.out.splitlines()
        told: dict[str, Any] = json.loads(line)
        return told


def run(*arguments: str, stdin: str = "", environment: dict[str, str] | None = None) -> Ran:
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "probe", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
    )
    out, err = process.communicate(stdin, timeout=60)
    return Ran(process.returncode, out, err, time.monotonic() - began, 0)


def run_measured(*arguments: str) -> Ran:
    """The same, with the peak memory of the process."""
    code = (
        "import re, sys\n"
        "from probe.cli.main import run\n"
        "code = run(sys.argv[1:])\n"
        "print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1], file=sys.stderr)\n"
        "sys.exit(code)"
    )
    began = time.monotonic()
    process = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    *err, memory = process.stderr.splitlines()
    return Ran(process.returncode, process.stdout, "\n".join(err), time.monotonic() - began, int(memory))


@pytest.fixture(scope="module")
def ssid_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("ssid") / "ssid.txt"
    path.write_text(SSID + "\n")
    path.chmod(0o600)
    return f"file:{path}"


def test_the_simulator_is_healthy_and_says_so_in_words() -> None:
    ran = run("check", "sim:pocketoption")
    assert (ran.code, ran.err) == (0, "")
    assert "HEALTHY" in ran.out
    for step in (
        "DNS",
        "TCP",
        "upgrade",
        "greeting",
        "namespace",
        "login",
        "first price",
        "WebSocket ping",
        "UTC+2 h",
    ):
        assert step in ran.out
    assert max(len(line) for line in ran.out.splitlines()) <= 80
    assert "\x1b" not in ran.out  # no colours where nobody looks


def test_json_says_the_same_to_programs() -> None:
    told = run("check", "sim:pocketoption", "--json").told
    assert list(told)[:3] == ["schema_version", "kind", "at"]
    assert (told["verdict"], told["exit_code"], told["account"], told["findings"]) == (
        "healthy",
        0,
        "demo",
        [],
    )
    assert [phase["name"] for phase in told["phases"]] == [
        "DNS", "TCP", "upgrade", "greeting", "namespace", "login", "first price",
    ]  # fmt: skip
    assert told["clock"]["zone_seconds"] == 7200


def test_region_picks_one_of_the_broker_s_endpoints() -> None:
    assert run("check", "sim:pocketoption", "--region", "demo-asia", "--json").told["region"] == "demo-asia"


CASES: list[tuple[Behaviour, str, str]] = [
    (bad_servers.silent, "http.open-timeout", "did not answer the request"),
    (bad_servers.garbage, "http.not-http", "does not speak HTTP"),
    (bad_servers.garbage_after_upgrade, "session.protocol-error", "not valid WebSocket"),
    (bad_servers.page, "http.200-not-101", "Just a moment..."),
    (bad_servers.endless_page, "http.bad-gateway", "HTTP 503"),
    (bad_servers.endless_head, "http.handshake-invalid", "handshake is wrong"),
    (bad_servers.endless_events, "sio.connect-silent", "did not answer the request to join"),
    (bad_servers.hundred_megabytes, "session.message-too-big", "larger than any a broker sends"),
]


@pytest.mark.parametrize(
    ("behave", "code", "words"), CASES, ids=lambda value: getattr(value, "__name__", None)
)
def test_a_bad_server_ends_in_time_in_one_clear_sentence_and_bounded_memory(
    behave: Behaviour, code: str, words: str, ssid_file: str
) -> None:
    with serving(behave) as url:
        ran = run_measured("check", url, "--ssid", ssid_file, "--timeout", "1s", "--json")
    finding = ran.told["findings"][0]
    assert (ran.code, finding["code"]) == (1, code)
    assert words in finding["cause"]
    assert finding["next_step"]
    assert ran.seconds < 5 * (1 + 2)  # the time given, and the closing's
    assert ran.memory < REPLY_LIMIT
    assert TOKEN not in ran.out + ran.err


def test_a_server_that_repeats_the_credential_cannot_make_us_print_it(ssid_file: str) -> None:
    with serving(bad_servers.echoing) as url:
        for options in ((), ("--json",)):
            ran = run("check", url, "--ssid", ssid_file, *options, environment={"TRADEPROBE_DEBUG": "1"})
            assert ran.code == 1
            assert "refused the credential" in ran.out
            assert TOKEN not in ran.out + ran.err
            assert TOKEN[:12] not in ran.out + ran.err


BAD_INPUT: list[tuple[Sequence[str], str]] = [
    (("check", '42["auth",{"session":"planted0secret0token000001","isDemo":1'), "damaged"),
    (("check", "planted0secret0token000001", "--broker", "pocketoption"), "only a part of the login"),
    (("check", "planted0secret0token000001"), "Say which with one of: --broker pocketoption"),
    (("check", "sim:pocketoptoin"), "did you mean 'pocketoption'"),
    (("check", "sim", "--broker", "nobody"), "unknown broker 'nobody'"),
    (("check", "http://127.0.0.1:9/socket.io/?EIO=4&transport=websocket"), "not ws or wss"),
    (("check", "wss://wss://host/"), "the scheme is written twice"),
    (("check", "ws:///socket.io/", "--broker", "pocketoption"), "names no host"),
    (("check", "ws://127.0.0.1:9/"), "does not tell which broker"),
    (("check", "env:TRADEPROBE_NOTHING_HERE"), "no credential found in the environment variable"),
    (("check", "file:/nowhere/ssid"), "No such file or directory"),
    (("check", "-"), "no credential found in standard input"),
    (("check", "typo"), "'typo' is not a target"),
    (("check", "sim", "--region", "moon"), "no endpoint has the region 'moon'"),
    (("check", "sim", "--timeout", "soon"), "'soon' is not a duration"),
    (("check", "sim", "--ca", "/nowhere/ca.pem"), "does not exist"),
    (("check",), "Missing argument"),
]


@pytest.mark.parametrize(
    ("arguments", "words"), BAD_INPUT, ids=lambda value: None if isinstance(value, str) else value[-1][:24]
)
def test_bad_input_is_answered_in_one_sentence_with_exit_code_2(
    arguments: Sequence[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    code = probe_command(list(arguments))
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert words in err
    assert TOKEN not in err
    assert "Traceback" not in err


def test_a_port_nobody_listens_on_is_called_refused() -> None:
    with serving(bad_servers.silent) as url:
        pass  # closed again: nobody listens there now
    ran = run("check", url, "--json")
    assert (ran.code, ran.told["findings"][0]["code"]) == (1, "tcp.refused")
    assert ran.told["not_checked"] == ["login", "prices"]


def test_a_credential_as_an_argument_works_and_warns() -> None:
    with serving(bad_servers.page) as url:
        ran = run("check", SSID, "--endpoint", url)
    assert ran.code == 1
    assert "other users of this machine can read it" in ran.err
    assert TOKEN not in ran.out + ran.err


def test_ctrl_c_leaves_quietly_with_130() -> None:
    with serving(bad_servers.silent) as url:
        process = subprocess.Popen(
            [sys.executable, "-m", "probe", "check", url, "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        _wait_until_connected(process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, "", "")


def _wait_until_connected(process: subprocess.Popen[str]) -> None:
    """By its sockets: there is nothing else to see of it."""
    deadline = time.monotonic() + 20
    proc = Path(f"/proc/{process.pid}")
    while time.monotonic() < deadline:
        links = []
        for fd in (proc / "fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                links.append(str(fd.readlink()))
        tcp = (proc / "net" / "tcp").read_text()
        if any(link.startswith("socket:") and link[8:-1] in tcp for link in links):
            return
    raise AssertionError("it never connected")
