"""`probe doctor` as its user meets it: whom it asks first, then what is wrong; and no secret, whoever repeats it."""

import base64
import contextlib
import errno
import io
import json
import os
import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from probe.cli.main import run as probe_command
from probe.diagnose.case import Host
from probe.doctor import examine
from probe.measure.records import Attempt, Disconnected
from probe.model.failures import Failure
from probe.store.retention import Keep
from probe.store.writer import StoreWriter
from tests.cli import bad_servers
from tests.cli.bad_servers import Behaviour, frame, linger, read_head, serving, upgrade
from tests.drivers.peers import closed_port
from tests.drivers.pki import _certificate, _server
from tests.pretending import QUOTEX, QUOTEX_TOKEN, SSID, TOKEN, Known

SIM = "sim:pocketoption"


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def told(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.out)
        return told


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEPROBE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    for name in ("TRADEPROBE_PROXY", "TRADEPROBE_TIMEOUT", "NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    # Not longer than it takes to show what these tests are about.
    monkeypatch.setattr(examine, "STAYS", 0.0)
    monkeypatch.setattr(examine, "look_at_host", calm)
    monkeypatch.setattr(examine._Examiner, "_this_machine_meanwhile", lambda *_: None)


async def calm() -> Host:
    """How busy the machine is that runs these tests must not matter here."""
    return Host(ports=28_000, ports_in_use=12)


class Doctor:
    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Ran:
        code = probe_command(["doctor", *arguments])
        return Ran(code, *self._capsys.readouterr())


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str]) -> Doctor:
    return Doctor(capsys)


def test_a_healthy_target_is_called_healthy_in_one_sentence(doctor: Doctor) -> None:
    ran = doctor(SIM)
    assert ran.code == 0, ran.out
    assert ran.out.startswith("HEALTHY  Nothing is wrong. Logged in to a demo account; ")
    assert [line for line in ran.out.splitlines() if "✓ session" in line or "│ ✓ login" in line]
    assert "probe explain" not in ran.out


def test_whom_it_contacts_and_each_step_are_told_beside_the_report(doctor: Doctor) -> None:
    ran = doctor(SIM, "--fault", "auth-refused", "--json")
    steps = [line for line in ran.err.splitlines() if line[2] in "✓✗·"]
    before = " ".join(ran.err.partition(steps[0])[0].split())
    assert before == f"contacts: {'; '.join(ran.told['contacts'])}"
    assert re.search(r"127\.0\.0\.1:\d+ \(.*the credential.*\)", before)
    names = [line.split("  ")[1][2:] for line in steps]
    assert names == [each["name"] for each in ran.told["rungs"]]
    assert [line for line in steps if line.startswith("  ✗ session")]


def test_what_is_wrong_comes_first_with_the_code_that_programs_get(doctor: Doctor) -> None:
    page, told = doctor(SIM, "--fault", "auth-refused"), doctor(SIM, "--fault", "auth-refused", "--json").told
    assert (page.code, told["exit_code"], told["state"]) == (1, 1, "failed")
    assert told["verdicts"][0]["code"] == "auth.session-expired"
    assert re.match(r"FAILED  \w+: .*\(auth\.session-expired\)\. (If so, t|T)he fault lies with the credential\.", " ".join(page.out.split()).replace("FAILED ", "FAILED  "))  # fmt: skip
    assert page.out.endswith("More about it: probe explain auth.session-expired\n")
    assert told["session"]["kind"] == "check"


def test_on_one_screen_the_report_takes_the_place_of_the_steps(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("probe.cli.doctor._is_one_screen", lambda: True)
    _, *steps, last = doctor(SIM, "--offline").err.splitlines()
    assert last == f"\x1b[{len(steps)}F\x1b[J"


def test_offline_nobody_is_asked(doctor: Doctor) -> None:
    with serving(bad_servers.page) as url:
        ran = doctor(url, "--offline")
    assert (ran.code, ran.err.splitlines()[0]) == (4, "contacts: nobody")
    assert ran.out.startswith("UNKNOWN  Undetermined, because the network was not asked (--offline)")


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        (SSID[:50], "cfg.ssid-mangled"),
        (f"hello {TOKEN} {{[", "cfg.ssid-mangled"),
        (TOKEN, "cfg.ssid-raw-token"),
        ("wss://wss://host/?token=" + TOKEN, "cfg.url-malformed"),
    ],
)
def test_what_cannot_be_read_is_a_finding_and_nobody_is_asked(
    doctor: Doctor, tmp_path: Path, typed: str, code: str
) -> None:
    # No sentence about it repeats any of it: this holds without a redactor, too.
    ran = doctor(typed, "--json", "--share", str(tmp_path / "s.md"))
    assert (ran.code, ran.told["verdicts"][0]["code"]) == (1, code)
    assert "contacts: nobody" in ran.err
    assert "planted" not in ran.out + ran.err + (tmp_path / "s.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Missing argument"),
        (("sim",), "one target is examined at a time. Name one of: sim:bingx, "),
        ((SIM, "--timeout", "0s"), "it must be longer than nothing"),
        (("ws://127.0.0.1:9/socket.io/?EIO=4&transport=websocket", "--fault", "drop"), "only a simulated broker"),
        ((SIM, "--share", "nowhere/at/all"), "there is no such folder"),
        (("env:NOTHING_IS_HERE",), "no credential found"),
        ((SIM, "--offline", "--dialect", "engine"), "has no ="),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_before_anything_is_sent(
    doctor: Doctor, arguments: tuple[str, ...], words: str
) -> None:
    ran = doctor(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert words in ran.err
    assert "contacts" not in ran.err


def test_the_configuration_names_controls_and_owned_servers(doctor: Doctor, tmp_path: Path) -> None:
    with serving(bad_servers.page) as control, serving(bad_servers.page) as url:
        place = control.removeprefix("ws://").partition("/")[0]
        (tmp_path / "probe.toml").write_text(
            f'[doctor]\ncontrols = ["{place}"]\n[targets.mine]\nendpoints = ["{url}"]\nowned = true\n'
        )
        ran = doctor("mine", "--json")
    assert f"the control {place}" in ran.told["contacts"]
    assert "controls" in [each["name"] for each in ran.told["rungs"]]


@pytest.mark.parametrize("of", ["the file that is configured", "a file that was typed"])
def test_an_older_credential_than_the_one_that_is_configured_is_noticed(
    doctor: Doctor, tmp_path: Path, of: str
) -> None:
    for name, text, written in (
        ("old", SSID, 1_000_000.0),
        ("new", SSID.replace(TOKEN, TOKEN[::-1]), 2_000_000.0),
    ):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
        os.utime(tmp_path / name, (written, written))
    (tmp_path / "probe.toml").write_text('[targets.mine]\ncredentials = "file:new"\n')
    typed = ("--ssid", "file:old") if of == "a file that was typed" else ()
    told = doctor("mine", *typed, "--offline", "--json").told
    assert [(each["code"], each["certainty"]) for each in told["verdicts"]] == (
        [("cfg.ssid-stale-cache", "certain")] if typed else []
    )


def test_no_room_for_the_report_and_no_place_for_it_are_no_bugs_of_ours(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("sys.stdout", None)
        assert doctor(SIM, "--offline", "--json").code == 4
    with monkeypatch.context() as patched:
        patched.setattr("sys.stdout", FullDisk())
        ran = doctor(SIM, "--offline")
    assert (ran.code, ran.err.splitlines()[-1]) == (
        2,
        "error: no space is left to write to. Make room, and try again.",
    )


def test_signs_that_the_output_does_not_know_stop_nothing(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.BytesIO()
    with monkeypatch.context() as patched:
        patched.setattr("sys.stdout", io.TextIOWrapper(written, encoding="cp1252"))
        ran = doctor(SIM, "--offline")
    assert (ran.code, "bug of ours" in ran.err) == (4, False)
    assert b"? this machine" in written.getvalue()


class FullDisk(io.StringIO):
    def write(self, _: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def names(told: dict[str, Any]) -> list[str]:
    return [each["name"] for each in told["rungs"] if each["outcome"] != "not checked"]


def test_deep_tries_again_what_is_ours_and_not_what_is_somebody_elses(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examine, "STAYS_DEEP", 0.0)
    monkeypatch.setattr(examine, "STAYS_FRESH", 0.0)
    monkeypatch.setattr(examine, "PAUSE", 0.0)
    monkeypatch.setenv("AN_SSID", SSID)
    assert "the same again" not in names(doctor(SIM, "--json").told)
    assert "the same again" in names(doctor(SIM, "--deep", "--json").told)
    with serving(bad_servers.page) as url:
        told = doctor("env:AN_SSID", "--endpoint", url, "--deep", "--json").told
    assert "the same again" not in names(told)


def test_resolvers_of_the_configuration_are_named_before_they_are_asked(
    doctor: Doctor, tmp_path: Path
) -> None:
    (tmp_path / "probe.toml").write_text('[doctor]\nresolvers = ["127.0.0.9"]\n')
    url = f"ws://localhost:{closed_port()}/socket.io/?EIO=4&transport=websocket"
    assert [each for each in doctor(url, "--json").told["contacts"] if "the resolver 127.0.0.9" in each]


# -- what a monitor has kept --------------------------------------------------------------------------------------------


def lived(target: str, path: Path, *records: Attempt | Disconnected) -> None:
    writer = StoreWriter(path, keep=Keep(), notice=print, clock_utc=time.time)
    writer.start()
    for record in records:
        writer.write(replace(record, target=target))
    assert writer.close(30.0)


@pytest.mark.parametrize(("typed", "known_as"), [(SIM, "pocketoption"), ("mine", "mine")])
def test_what_happened_to_it_before_is_read_under_the_name_that_a_monitor_gives_it(
    doctor: Doctor, tmp_path: Path, typed: str, known_as: str
) -> None:
    (tmp_path / "probe.toml").write_text('[targets.mine]\ntarget = "sim:pocketoption"\n')
    now = time.time()
    end = Disconnected(
        at_utc=now - 900,
        target="",
        endpoint="near",
        lasted_seconds=5000.0,
        initiator="remote",
        close_code=None,
        planned=False,
        failure=Failure(kind="session.closed-1006"),
    )
    looks = [Attempt(at_utc=now - ago, target="", endpoint="near", purpose="knock") for ago in (600.0, 300.0)]
    store = tmp_path / "kept.sqlite"
    lived("somebody-else", store, end)
    assert not found_by(doctor(typed, "--store", str(store), "--json").told)
    lived(known_as, store, end, *looks)
    told = doctor(typed, "--store", str(store), "--json").told
    assert (found_by(told), told["exit_code"]) == (["session.reconnect-broken"], 3)
    assert not found_by(doctor(typed, "--store", "none", "--json").told)


def found_by(told: dict[str, Any]) -> list[str]:
    """Without what it rightly says of a machine that is busy with other tests."""
    return [each["code"] for each in told["verdicts"] if not each["code"].startswith("host.")]


# -- a planted secret ---------------------------------------------------------------------------------------------------

HTTP = "127.0.0.1:1/socket.io/?EIO=4&transport=websocket"
PROXY_LOGIN = "planted0proxy0login"


def saying_it_all(connection: socket.socket) -> None:
    """Repeats the request's head, token included, wherever an answer has room."""
    head, _ = read_head(connection)
    line = head.split(b"\r\n")[0]
    connection.sendall(
        b"HTTP/1.1 403 " + line + b"\r\nServer: " + line + b"\r\nLocation: https://h.example/?" + line.split()[1]
        + b"\r\nContent-Length: %d\r\n\r\n<title>%b</title>" % (len(line) + 15, line)
    )  # fmt: skip


def refusing_to_join(connection: socket.socket) -> None:
    """44, with the token of the URL in its message."""
    head = upgrade(connection)
    token = re.search(rb"token=(\w+)", head)
    connection.sendall(frame(bad_servers.GREETING))
    connection.recv(65536)
    told = token[1] if token else b""
    connection.sendall(frame(b'44{"message":"' + told + b' is not welcome"}'))
    connection.sendall(frame(b"\x0f\xa0" + told, opcode=8))
    linger(connection)


def proxy_that_repeats(connection: socket.socket) -> None:
    head, _ = read_head(connection)
    sent = re.search(rb"(?i)proxy-authorization: basic (\S+)", head)
    told = base64.b64decode(sent[1]) if sent else b"nothing"
    connection.sendall(
        b"HTTP/1.1 407 " + told + b"\r\nProxy-Authenticate: " + told + b"\r\nContent-Length: 0\r\n\r\n"
    )


def secured(folder: Path) -> Behaviour:
    """With the token in its certificate's subject."""
    today = datetime.now(UTC)
    certificate = _certificate(
        TOKEN, None, today - timedelta(days=1), today + timedelta(days=1), ("127.0.0.1",)
    )
    context = _server(folder / "server.pem", *certificate)

    def behave(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as inside:
            bad_servers.page(inside)

    return behave


@contextlib.contextmanager
def case(name: str, folder: Path) -> Iterator[tuple[str, ...]]:
    """What to type, against a server that repeats a secret."""
    with contextlib.ExitStack() as stack:

        def at(behave: Behaviour, known: Known | None = None) -> str:
            return stack.enter_context(serving(behave, known) if known else serving(behave))

        match name:
            case "login":
                yield "env:AN_SSID", "--endpoint", at(bad_servers.echoing)
            case "cookies":
                yield "env:A_FILE", "--endpoint", at(bad_servers.echoing_page, QUOTEX)
            case "password":
                form = at(bad_servers.echoing_form, QUOTEX)
                yield "env:A_LOGIN", "--broker", "quotex", "--endpoint", form, "--login", "--sessions", "none"
            case "URL":
                yield "env:AN_SSID", "--endpoint", f"{at(saying_it_all)}&token={TOKEN}"
            case "refusal":
                yield (f"{at(refusing_to_join)}&token={TOKEN}",)
            case "certificate":
                yield "env:AN_SSID", "--endpoint", at(secured(folder)).replace("ws://", "wss://")
            case "proxy":
                place = at(proxy_that_repeats).removeprefix("ws://").partition("/")[0]
                yield (
                    "env:AN_SSID",
                    "--proxy",
                    f"http://{PROXY_LOGIN}:{TOKEN}@{place}",
                    "--endpoint",
                    f"ws://{HTTP}",
                )
            case _:
                yield "env:AN_SSID", "--endpoint", f"ws://127.0.0.1:{closed_port()}/socket.io/?EIO=4&transport=websocket&k={TOKEN}"  # fmt: skip


BY_FORM = {
    "json": ["login", "cookies", "password", "URL", "refusal", "certificate", "proxy", "closed port"],
    "page": ["cookies", "certificate", "proxy"],
}


@pytest.mark.parametrize(
    ("name", "form"), [(name, form) for form, names in BY_FORM.items() for name in names]
)
def test_a_secret_is_shown_nowhere(
    doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, form: str
) -> None:
    monkeypatch.setenv("AN_SSID", SSID)
    cookies = {"cookies": "laravel_session=planted0cookie0000000001; lang=en", "token": QUOTEX_TOKEN, "user_agent": "Mozilla/5.0"}  # fmt: skip
    monkeypatch.setenv("A_FILE", json.dumps(cookies))
    monkeypatch.setenv(
        "A_LOGIN", json.dumps({"email": "planted0.one@mail.example", "password": "planted0 Pass&w<"})
    )
    monkeypatch.setenv("TRADEPROBE_DEBUG", "1")
    shared = tmp_path / "shared.md"
    with case(name, tmp_path) as arguments:
        ran = doctor(*arguments, "--share", str(shared), *(("--json",) if form == "json" else ()))
    assert ran.code == 1, ran.err
    everything = ran.out + ran.err + shared.read_text()
    assert "planted" not in everything
    assert base64.b64encode(f"{PROXY_LOGIN}:".encode()).decode()[:20] not in everything
    assert "12345" not in shared.read_text()  # the user's number


def test_the_log_of_another_client_is_judged_beside_the_target(doctor: Doctor, tmp_path: Path) -> None:
    log = tmp_path / "client.log"
    log.write_text("ERROR connect() returned False\n")
    ran = doctor(SIM, "--log", str(log), "--json")
    named = {each["code"] for each in ran.told["verdicts"]}  # on a busy machine, that it is busy, too
    assert (ran.code, "cfg.masked-by-client" in named) == (3, True)
    absent = doctor(SIM, "--log", str(tmp_path / "absent"))
    assert (absent.code, "--log: it cannot be read" in absent.err) == (2, True)
