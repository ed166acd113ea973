"""`probe check` as its user meets it: a verdict in words, in time, in bounded memory, with the right exit code."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from probe.cli.main import run as probe_command
from tests.cli import bad_servers
from tests.cli.bad_servers import Behaviour, serving
from tests.pretending import KNOWN, POCKETOPTION, QUOTEX, QUOTEX_TOKEN, SSID, Known

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


def run_measured(*arguments: str, environment: dict[str, str] | None = None) -> Ran:
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
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **(environment or {})},
    )
    *err, memory = process.stderr.splitlines()
    return Ran(process.returncode, process.stdout, "\n".join(err), time.monotonic() - began, int(memory))


def at_once(commands: Iterable[Sequence[str]], environment: dict[str, str] | None = None) -> list[Ran]:
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda command: run_measured(*command, environment=environment), commands))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """For the name of each broker a reference to a file with its credential."""
    folder = tmp_path_factory.mktemp("ssid")
    for known in KNOWN:
        path = folder / known.broker.name
        path.write_text(known.ssid + "\n")
        path.chmod(0o600)
    return {known.broker.name: f"file:{folder / known.broker.name}" for known in KNOWN}


def checks_of(
    behave: Behaviour,
    files: dict[str, str],
    *options: Sequence[str],
    environment: dict[str, str] | None = None,
) -> list[tuple[Known, Ran]]:
    """A check with each of the options of a server that does this to each broker's clients; all at once."""
    each = [(known, more) for known in KNOWN for more in options]
    with ExitStack() as opened:
        urls = [opened.enter_context(serving(behave, known)) for known, _ in each]
        ran = at_once(
            [
                ("check", url, "--ssid", files[known.broker.name], *more)
                for url, (known, more) in zip(urls, each, strict=True)
            ],
            environment,
        )
    return [(known, one) for (known, _), one in zip(each, ran, strict=True)]


@dataclass
class Healthy:
    words: Ran
    json: Ran


@pytest.fixture(scope="module")
def healthy() -> dict[str, Healthy]:
    """For the name of each broker what checks of its simulator say."""
    names = [known.broker.name for known in KNOWN]
    ran = at_once([("check", f"sim:{name}", *more) for name in names for more in ((), ("--json",))])
    found = zip(names, ran[::2], ran[1::2], strict=True)
    return {name: Healthy(words, told) for name, words, told in found}


def test_the_simulator_is_healthy_and_says_so_in_words(known: Known, healthy: dict[str, Healthy]) -> None:
    ran = healthy[known.broker.name].words
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
        f"UTC{known.broker.zone_seconds / 3600:+g} h",
    ):
        assert step in ran.out
    assert max(len(line) for line in ran.out.splitlines()) <= 80
    assert "\x1b" not in ran.out  # no colours where nobody looks


def test_json_says_the_same_to_programs(known: Known, healthy: dict[str, Healthy]) -> None:
    told = healthy[known.broker.name].json.told
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
    assert told["clock"]["zone_seconds"] == known.broker.zone_seconds


def test_region_picks_one_of_the_broker_s_endpoints() -> None:
    names = [known.broker.name for known in KNOWN]
    ran = at_once([("check", f"sim:{name}", "--region", "demo-asia", "--json") for name in names])
    assert [(one.told["broker"], one.told["region"]) for one in ran] == [
        (name, "demo-asia") for name in names
    ]


CASES: list[tuple[Behaviour, str, str]] = [
    (bad_servers.silent, "http.open-timeout", "did not answer the request"),
    (bad_servers.garbage, "http.not-http", "does not speak HTTP"),
    (bad_servers.garbage_after_upgrade, "session.protocol-error", "not valid WebSocket"),
    (bad_servers.page, "http.200-not-101", "Just a moment..."),
    (bad_servers.endless_page, "http.bad-gateway", "HTTP 503"),
    (bad_servers.endless_head, "http.handshake-invalid", "handshake is wrong"),
    (bad_servers.endless_events, "sio.connect-silent", "its namespace"),
    (bad_servers.hundred_megabytes, "session.message-too-big", "larger than any a broker sends"),
]


@pytest.mark.parametrize(
    ("behave", "code", "words"), CASES, ids=lambda value: getattr(value, "__name__", None)
)
def test_a_bad_server_ends_in_time_in_one_clear_sentence_and_bounded_memory(
    behave: Behaviour, code: str, words: str, files: dict[str, str]
) -> None:
    for known, ran in checks_of(behave, files, ("--timeout", "1s", "--json")):
        finding = ran.told["findings"][0]
        assert (ran.told["broker"], ran.code, finding["code"]) == (known.broker.name, 1, code)
        assert words in finding["cause"]
        assert finding["next_step"]
        assert ran.seconds < 5 * (1 + 2)  # the time given, and the closing's
        assert ran.memory < REPLY_LIMIT
        assert known.token not in ran.out + ran.err


DEBUGGING = {"TRADEPROBE_DEBUG": "1"}


def test_a_server_that_repeats_the_credential_cannot_make_us_print_it(files: dict[str, str]) -> None:
    for known, ran in checks_of(bad_servers.echoing, files, (), ("--json",), environment=DEBUGGING):
        assert ran.code == 1
        assert "refused the credential" in ran.out
        assert known.token not in ran.out + ran.err
        assert known.token[:12] not in ran.out + ran.err


def test_a_page_that_repeats_what_it_was_sent_cannot_make_us_print_it() -> None:
    credentials = {"A_SESSION": json.dumps(SESSION_FILE), "A_LOGIN": json.dumps(PASSWORD)}
    with (
        serving(bad_servers.echoing_page, QUOTEX) as socket,
        serving(bad_servers.echoing_form, QUOTEX) as form,
    ):
        with_cookies = ("check", "env:A_SESSION", "--endpoint", socket)
        by_password = ("check", "env:A_LOGIN", *AT_QUOTEX, "--endpoint", form, "--login", "--sessions=none")
        commands = [
            (*command, *more) for command in (with_cookies, by_password) for more in ((), ("--json",))
        ]
        ran = at_once(commands, {**credentials, **DEBUGGING})
    for one in ran:
        assert one.code == 1
        assert "***" in one.out
        assert "planted" not in one.out + one.err
    assert ["HTTP 403" in one.out for one in ran] == [True, True, False, False]


SESSION_FILE = {
    "cookies": "laravel_session=planted0cookie0000000001; lang=en",
    "token": QUOTEX_TOKEN,
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
}
PASSWORD = {"email": "planted0.Someone@Example.org", "password": 'planted0 "Pass&w<;ord'}
AT_QUOTEX = ("--broker", "quotex")
BAD_INPUT: list[tuple[Sequence[str], str]] = [
    (("check", '42["auth",{"session":"planted0secret0token000001","isDemo":1'), "damaged"),
    (("check", "planted0secret0token000001", "--broker", "pocketoption"), "only a part of the login"),
    (("check", "planted0secret0token000001"), "Say which with one of: --broker "),
    (("check", QUOTEX_TOKEN), "--broker pocketoption, --broker quotex"),
    (("check", QUOTEX_TOKEN, "--broker", "pocketoption"), "a single word of 40 characters"),
    (("check", QUOTEX_TOKEN[:30], *AT_QUOTEX), "a single word of 30 characters; a token has 40"),
    (("check", QUOTEX.ssid[:50]), "the rest was cut off, or a quote is missing"),
    (("check", QUOTEX.ssid[:72]), "it has no isDemo"),
    (
        ("check", QUOTEX.ssid.replace(QUOTEX_TOKEN[8:], "…")),
        "a part of it is left out where three dots stand",
    ),
    (("check", QUOTEX.ssid + QUOTEX.ssid), "2 login frames are in it"),
    (("check", SSID, *AT_QUOTEX), "another broker's login: --broker pocketoption"),
    (("check", QUOTEX.ssid, "--broker", "pocketoption"), "Quotex's login (--broker quotex)"),
    (
        ("check", json.dumps({"a@example.org": SESSION_FILE, "b@example.org": SESSION_FILE})),
        "2 accounts are in this file",
    ),
    (("check", json.dumps({**SESSION_FILE, "token": None})), "its token is empty"),
    (("check", json.dumps(SESSION_FILE)[:90], *AT_QUOTEX), "not the whole of one"),
    (("check", "planted0=1; laravel_session=planted0", *AT_QUOTEX), "the token is in none of them"),
    (("check", json.dumps({**PASSWORD, "email": "planted0"}), *AT_QUOTEX), "its email is no e-mail address"),
    (
        ("check", "wss://127.0.0.1:9/socket.io/?EIO=3&transport=websocket", "--ssid", QUOTEX_TOKEN[:30]),
        "a token has 40",
    ),
    (("check", "sim:quotex", "--dialect", "engine=5"), "It is one of 3, 4"),
    (("check", "sim:pocketoptoin"), "did you mean 'pocketoption'"),
    (("check", "sim", "--broker", "nobody"), "unknown broker 'nobody'"),
    (
        ("check", "http://127.0.0.1:9/socket.io/?EIO=4&transport=websocket"),
        "PocketOption is not talked to by http://",
    ),
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


@pytest.mark.parametrize(("arguments", "words"), BAD_INPUT, ids=[words for _, words in BAD_INPUT])
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
    assert "planted" not in err
    assert "Traceback" not in err


def test_a_pickle_is_refused_and_never_opened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / ".session.pkl"
    # Opening it would leave a file behind.
    file.write_bytes(b"\x80\x04cbuiltins\nopen\n(V%s\nVw\ntR." % str(tmp_path / "opened").encode())
    code = probe_command(["check", f"file:{file}", *AT_QUOTEX])
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert "it is a pickle" in err
    assert not (tmp_path / "opened").exists()


CURLY = QUOTEX.ssid.replace('"', "“")
ASSUMED = "it does not say which account, so demo is assumed"


@pytest.mark.parametrize(
    ("credential", "warning"),
    [
        (SSID, ""),
        (QUOTEX.ssid, ""),
        (QUOTEX_TOKEN, ASSUMED),
        (CURLY, "curly quotes or invisible signs"),
        (QUOTEX.ssid[:-1], "the closing ] was missing"),
        (json.dumps(SESSION_FILE), ASSUMED),
        (json.dumps({"someone@example.org": SESSION_FILE}), ASSUMED),
    ],
    ids=["PocketOption", "Quotex", "token", "curly quotes", "cut", "session file", "session file by e-mail"],
)
def test_a_credential_that_can_be_read_is_taken_to_the_network(
    credential: str, warning: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_CREDENTIAL", credential)
    named = () if credential != QUOTEX_TOKEN else AT_QUOTEX
    with serving(bad_servers.silent, POCKETOPTION if credential == SSID else QUOTEX) as url:
        pass  # closed again: nobody listens there now
    code = probe_command(["check", "env:A_CREDENTIAL", *named, "--endpoint", url, "--json"])
    out, err = capsys.readouterr()
    assert (code, json.loads(out)["findings"][0]["code"]) == (1, "tcp.refused")
    assert warning in err
    assert "planted" not in out + err


def test_a_port_nobody_listens_on_is_called_refused() -> None:
    with serving(bad_servers.silent) as url:
        pass  # closed again: nobody listens there now
    ran = run("check", url, "--json")
    assert (ran.code, ran.told["findings"][0]["code"]) == (1, "tcp.refused")
    assert ran.told["not_checked"] == ["login", "prices"]


def test_a_credential_as_an_argument_works_and_warns(known: Known) -> None:
    with serving(bad_servers.page, known) as url:
        ran = run("check", known.ssid, "--endpoint", url)
    assert ran.code == 1
    assert "other users of this machine can read it" in ran.err
    assert known.token not in ran.out + ran.err


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
