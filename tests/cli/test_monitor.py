"""`probe monitor` as its user meets it: what it takes, what it tells, how it ends, and what it never shows."""

import json
import os
import pty
import re
import signal
import socket
import socketserver
import stat
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from probe.brokers import broker_names
from probe.cli.main import run as probe_command
from probe.store.reader import StoreReader
from tests.cli.monitoring import (
    ENDS_WITHIN,
    PATIENCE,
    PROBE,
    Ran,
    Served,
    environment,
    served,
    watch,
    watching,
)
from tests.pretending import SSID, TOKEN

JSON = ("--json", "--store", "none")
PROXY_PASSWORD, WEBHOOK_TOKEN, DEADMAN_PATH = (
    "planted0proxy0word",
    "planted0webhook0token",
    "planted0deadman0path",
)


@pytest.fixture(scope="module")
def broker() -> Iterator[Served]:
    with served() as one:
        yield one


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def file(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


@contextmanager
def black_hole() -> Iterator[str]:
    """HOST:PORT that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as hole:
        yield f"127.0.0.1:{hole.getsockname()[1]}"


@contextmanager
def receiver() -> Iterator[tuple[str, list[str]]]:
    """HOST:PORT of a web server, and who was asked for there."""
    asked: list[str] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()
        thread.join()


def at_once(*runs: tuple[Path, Sequence[str], dict[str, str], str]) -> list[Ran]:
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda one: watch(one[0], *one[1], more=one[2], stdin=one[3]), runs))


# -- what it takes -------------------------------------------------------------------------------------------------------


def test_a_credential_is_taken_in_every_way(broker: Served, home: Path) -> None:
    path = file(home / "ssid", broker.ssid)
    bounds = (*JSON, "--until", "healthy", "--for", "40s")
    there = ("--endpoint", broker.url)
    twice = ("--symbol", "GBPUSD_otc", "--symbol", "EURUSD_otc", "--symbol", "GBPUSD_otc")
    ran = at_once(
        (home, ("-", *there, *bounds), {}, broker.ssid),
        (home, ("env:MINE", *there, *bounds), {"MINE": broker.ssid}, ""),
        (home, (f"file:{path}", *there, *bounds, *twice), {}, ""),
        (home, (broker.url, "--ssid", "env:MINE", *bounds), {"MINE": broker.ssid}, ""),
        (home, ("--ssid", "-", "--broker", "pocketoption", *there, *bounds), {}, broker.ssid),
    )
    for each in ran:
        assert (each.code, each.err) == (0, "")
        assert each.told[-1]["targets"][0]["condition"]["state"] == "streaming"
        assert [line["target"] for line in each.told[:-1]] == ["pocketoption-demo"] * len(each.told[:-1])
    symbols = [[symbol["symbol"] for symbol in each.told[-1]["targets"][0]["symbols"]] for each in ran]
    assert symbols == [
        ["EURUSD_otc"],
        ["EURUSD_otc"],
        ["GBPUSD_otc", "EURUSD_otc"],
        ["EURUSD_otc"],
        ["EURUSD_otc"],
    ]


def test_one_that_is_an_argument_disappears_from_the_title_with_a_warning(broker: Served, home: Path) -> None:
    pytest.importorskip("setproctitle")
    with watching(home, broker.ssid, "--endpoint", broker.url, *JSON) as running:
        running.streaming("pocketoption-demo")
        title = Path(f"/proc/{running.process.pid}/cmdline").read_bytes()
        ran = running.end(signal.SIGINT)
    assert title.startswith(b"probe monitor *** --endpoint ws://")
    assert ran.code == 0
    assert ran.err.count("warning: ") == 2
    assert "other users of this machine can read it" in ran.err
    assert broker.ssid not in ran.err + ran.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "nothing to watch: there is no TARGET, and no configuration names one"),
        (["--endpoint", "ws://127.0.0.1:9/socket.io/?EIO=4&transport=websocket", "--broker", "pocketoption"], "has no credential"),
        (["sim:pocketopton"], "'pocketopton' cannot be simulated"),
        (["practise"], "did you mean 'practice'?"),
        (["ws://127.0.0.1:9/socket.io/?EIO=4&transport=websocket"], "has no credential"),
        (["sim:pocketoption", *(f"--symbol=S{number}" for number in range(21))], "21 symbols"),
        (["door", "--fault", "drop"], "only a simulated broker can be made to fail"),
        (["sim:pocketoption", "--for", "soon"], "--for"),
        (["sim:pocketoption", "--until", "sunset"], "--until"),
    ],
)  # fmt: skip
def test_what_cannot_be_watched_is_said_in_words(
    arguments: list[str],
    says: str,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(home)
    monkeypatch.setenv("TRADEPROBE_HOME", str(home))
    if arguments and not arguments[0].startswith("-"):
        door = (
            'endpoints = ["ws://127.0.0.1:9/socket.io/?EIO=4&transport=websocket"]\nbroker = "pocketoption"\n'
        )
        file(home / "probe.toml", f'[targets.practice]\ntarget = "sim:pocketoption"\n[targets.door]\n{door}')
    assert probe_command(["monitor", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err
    assert err.startswith("error: ")


# -- what it tells -------------------------------------------------------------------------------------------------------


def test_every_json_line_says_its_version_its_kind_and_when_and_the_last_sums_up(home: Path) -> None:
    ran = watch(home, "sim", "--json", "--for", "3.5s", "--fault", "drop:at=1s")
    assert ran.code == 0
    assert all(list(line)[:3] == ["schema_version", "kind", "at"] for line in ran.told)
    kinds = [line["kind"] for line in ran.told]
    assert {"state", "attempt", "disconnect", "incident", "tick"} <= set(kinds)
    assert kinds.index("summary") == len(kinds) - 1
    assert [each["target"] for each in ran.told[-1]["targets"]] == [*broker_names()]
    assert list(home.iterdir()) == []  # what only a simulator did is not kept


def test_people_get_lines_or_only_the_summary_or_the_arithmetic_too(home: Path) -> None:
    until = ("sim:pocketoption", "--until", "healthy", "--for", "40s")
    plain, quiet, verbose = at_once(
        (home, (*until, "--plain"), {}, ""),
        (home, (*until, "--quiet", "--explain-score"), {}, ""),
        (home, (*until, "--verbose"), {}, ""),
    )
    assert "Z pocketoption  STREAMING     prices flow" in plain.out
    assert "\nWatched for " in plain.out
    assert plain.err == ""
    assert quiet.out.startswith("Watched for ")
    assert "\nhealth score of pocketoption\nhealth: " in quiet.out
    assert re.search(r"ATTEMPT       hold of demo-\w+ succeeded in ", verbose.out)
    (ended, *_) = [json.loads(line) for line in verbose.err.splitlines()]
    assert (ended["event"], ended["target"], ended["initiator"]) == ("session_ended", "pocketoption", "local")


def test_a_reader_who_goes_ends_it_without_a_traceback(home: Path) -> None:
    shell = (
        f"'{sys.executable}' -m probe monitor sim:pocketoption --json | head -n 2; echo ${{PIPESTATUS[0]}}"
    )
    ran = subprocess.run(
        ["bash", "-c", shell], cwd=home, env=environment(home), capture_output=True, text=True, timeout=PATIENCE,
        check=False,
    )  # fmt: skip
    *lines, code = ran.stdout.splitlines()
    assert (len(lines), code, ran.stderr) == (2, "141", "")


# -- how it ends ---------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="fills a pipe to its brim")
def test_a_reader_who_stops_reading_keeps_nothing_from_ending(home: Path) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 4096)
    os.set_blocking(writing, True)
    arguments = ("sim:pocketoption", "--for", "300ms", *JSON)
    with subprocess.Popen(
        [*PROBE, *arguments], cwd=home, env=environment(home), stdin=subprocess.DEVNULL,
        stdout=writing, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            os.close(writing)
            _, err = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
            os.close(reading)
    assert (process.returncode, err) == (
        0,
        "warning: the last lines were not written, because nobody reads them\n",
    )


def test_until_says_by_its_exit_code_whether_it_came_true(home: Path) -> None:
    ran = at_once(
        (home, ("sim:pocketoption", *JSON, "--until", "first-incident", "--for", "40s", "--fault", "drop:at=1s"), {}, ""),
        (home, ("sim:pocketoption", *JSON, "--until", "first-incident", "--for", "1s"), {}, ""),
        (home, ("sim:pocketoption", *JSON, "--until", "healthy", "--for", "1s", "--fault", "no-open"), {}, ""),
    )  # fmt: skip
    assert [each.code for each in ran] == [0, 1, 1]
    assert ran[0].told[-1]["seconds"] < 40


def test_one_that_was_told_when_to_end_says_that_it_was_interrupted(home: Path) -> None:
    with watching(home, "sim:pocketoption", *JSON, "--for", "1m") as one, watching(
        home, "sim:pocketoption", *JSON, "--until", "first-incident"
    ) as other:  # fmt: skip
        one.streaming("pocketoption")
        other.streaming("pocketoption")
        ran = [one.end(signal.SIGINT), other.end(signal.SIGTERM)]
    assert [each.code for each in ran] == [130, 143]
    assert [each.told[-1]["kind"] for each in ran] == ["summary", "summary"]


# The resolver hangs for a name, as a broken one does: no thread of it may hold up the end.
HANGING_NAMES = (
    "import socket, sys, time\n"
    "ask = socket.getaddrinfo\n"
    "def hang(host, *more, **named):\n"
    "    if 'black' in str(host): time.sleep(60)\n"
    "    return ask(host, *more, **named)\n"
    "socket.getaddrinfo = hang\n"
    "from probe.cli.main import main\n"
    "main()\n"
)
HUNG = """
[targets.mute]
endpoints = ["ws://{hole}/socket.io/?EIO=4&transport=websocket"]
credentials = "env:ANY"
[targets.rejected]
endpoints = ["{url}"]
credentials = "env:ANY"
[monitor]
deadman = "env:DEADMAN"
control = "black.invalid:443"
[[alerts.channels]]
name = "command"
command = ["sleep", "60"]
[[alerts.channels]]
name = "hook"
webhook = "env:HOOK"
"""


def test_whatever_hangs_it_ends_within_five_seconds_and_at_once_when_asked_twice(
    broker: Served, home: Path
) -> None:
    command = (sys.executable, "-c", HANGING_NAMES, "monitor")
    with black_hole() as hole:
        file(home / "probe.toml", HUNG.format(hole=hole, url=broker.url))
        more = {"ANY": SSID, "HOOK": f"http://{hole}/", "DEADMAN": "http://black.invalid/"}
        with watching(home, "--json", more=more, command=command) as patient, watching(
            home, *JSON, more=more, command=command
        ) as impatient:  # fmt: skip
            for each in (patient, impatient):
                each.line(lambda line: line["kind"] == "alert" and line["name"] == "auth_rejected")
            impatient.send(signal.SIGINT)
            twice = impatient.line(lambda line: state_stopped(line) and line["target"] == "mute")
            at_last = impatient.end(signal.SIGINT)
            ran = patient.end(signal.SIGINT)
    assert twice
    assert (at_last.code, at_last.seconds < ENDS_WITHIN) == (130, True)
    assert (ran.code, ran.seconds < ENDS_WITHIN) == (0, True)
    assert ran.told[-1]["kind"] == "summary"
    told = [
        line["sentence"]
        for line in ran.told
        if line["kind"] == "notice" and line["code"] == "channel.undelivered"
    ]
    assert len(told) == 2
    with closing(StoreReader(home / "store.db")) as store:
        assert store.targets() == ["mute", "rejected"]


def state_stopped(line: dict[str, object]) -> bool:
    return line["kind"] == "state" and "stopped" in json.dumps(line["condition"])


def test_a_terminal_is_given_back_as_it_was(home: Path) -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, 100))
    before = termios.tcgetattr(theirs)
    process = subprocess.Popen(
        [*PROBE, "sim:pocketoption"], cwd=home, env=environment(home, {"TERM": "xterm"}),
        stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    try:
        seen = b""
        while b"STREAMING" not in seen:
            seen += os.read(ours, 65536)
        assert b"\x1b[?1049h" in seen
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        while b"Watched for" not in seen:
            seen += os.read(ours, 65536)
        assert process.wait(PATIENCE) == 0
        assert time.monotonic() - began < ENDS_WITHIN
        assert seen.rindex(b"\x1b[?1049l") < seen.rindex(b"Watched for")
        assert termios.tcgetattr(theirs) == before
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)


# -- a long one, for everything that belongs to a service -------------------------------------------------------------------

SERVICE = """
[targets.steady]
endpoints = ["{url}"]
credentials = "file:{steady}"
[targets.{second}]
endpoints = ["{url}"]
credentials = "file:{second_file}"
proxy = "env:MY_PROXY"
[monitor]
deadman = "env:DEADMAN"
control = "{control}"
[[alerts.channels]]
name = "hook"
webhook = "env:HOOK"
token = "env:HOOK_TOKEN"
"""


class Relay(socketserver.StreamRequestHandler):
    """An HTTP proxy for one connection at a time; keeps nothing."""

    def handle(self) -> None:
        host, _, port = self.rfile.readline().split()[1].decode().rpartition(":")
        while self.rfile.readline().strip():
            pass
        with socket.create_connection((host, int(port))) as there:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=self._copy, args=(there, self.connection))
            back.start()
            self._copy(self.connection, there)
            back.join()

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


@contextmanager
def relay() -> Iterator[str]:
    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Relay) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@contextmanager
def notified(name: str) -> Iterator[list[str]]:
    """What a service manager is told."""
    told: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name)

        def listen() -> None:
            while message := manager.recv(4096):
                told.append(message.decode())

        thread = threading.Thread(target=listen)
        thread.start()
        yield told
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", "\0" + name)
        thread.join()


def left_by_us(lines: Sequence[str]) -> list[str]:
    """Whose sessions were ended on purpose: on a machine that is too busy some end by themselves."""
    told = [json.loads(line) for line in lines]
    return [line["target"] for line in told if line["kind"] == "disconnect" and line["planned"]]


def test_a_service_reloads_keeps_its_files_to_itself_and_shows_no_secret(home: Path) -> None:
    with (
        served() as broker,
        receiver() as (host, asked),
        relay() as proxy,
        notified(f"probe-{os.getpid()}") as told,
    ):
        good, changed = file(home / "good", broker.ssid), file(home / "changing", broker.ssid)
        config = home / "probe.toml"

        def configured(second: str) -> str:
            return SERVICE.format(
                url=broker.url, steady=good, second=second, second_file=changed, control=host
            )

        file(config, configured("second"))
        set_by_user = {
            "MY_PROXY": f"http://me:{PROXY_PASSWORD}@{proxy}",
            "DEADMAN": f"http://{host}/{DEADMAN_PATH}",
            "HOOK": f"http://{host}/hook",
            "HOOK_TOKEN": WEBHOOK_TOKEN,
            "TRADEPROBE_LOG_LEVEL": "debug",
        }  # fmt: skip
        manager = {"NOTIFY_SOCKET": f"@probe-{os.getpid()}", "WATCHDOG_USEC": "1500000"}
        with watching(home, "--json", more=set_by_user | manager) as running:
            running.streaming("steady", "second")
            process = Path(f"/proc/{running.process.pid}")
            assert (
                process.joinpath("cmdline").read_bytes()
                == b"\0".join(map(os.fsencode, (*PROBE, "--json"))) + b"\0"
            )
            kept = set(process.joinpath("environ").read_bytes().rstrip(b"\0").split(b"\0"))
            assert kept == {
                os.fsencode(f"{k}={v}") for k, v in environment(home, set_by_user | manager).items()
            }

            # A second one is told, and goes on without history.
            busy = watch(home, "steady", "--json", "--until", "healthy", more=set_by_user)
            assert busy.code == 0
            (notice,) = [line for line in busy.told if line.get("code") == "store.busy"]
            assert f"process {running.process.pid}" in notice["sentence"]
            assert "without history" in notice["sentence"]

            # Nothing changed; something is wrong; a credential changed; one is gone and another one here.
            running.send(signal.SIGHUP)
            assert "(no target changed)" in running.notice("config.reloaded")
            file(config, "[targets.second]\ncredentails = 'env:X'\n")
            running.send(signal.SIGHUP)
            assert "credentails" in running.notice("config.reload-failed")
            file(config, configured("second"))
            assert left_by_us(running.out) == []
            file(changed, SSID)
            running.send(signal.SIGHUP)
            assert "changed: second" in running.notice("config.reloaded")
            running.state("second", "auth_rejected")
            running.line(lambda line: line["kind"] == "alert" and line["name"] == "auth_rejected")
            deadline = time.monotonic() + PATIENCE
            while "STATUS=1 of 2 target(s) stream" not in told:  # it is told three times in WATCHDOG_USEC
                assert time.monotonic() < deadline, told
                time.sleep(0.02)
            file(changed, broker.ssid)
            file(config, configured("third"))
            running.send(signal.SIGHUP)
            assert "added: third; removed: second" in running.notice("config.reloaded")
            running.streaming("third")
            assert left_by_us(running.out) == ["second"]
            ran = running.end(signal.SIGTERM)

    assert (ran.code, ran.seconds < ENDS_WITHIN) == (0, True)
    assert [line["target"] for line in ran.told[-1]["targets"]] == ["steady", "third"]
    assert asked.count(f"/{DEADMAN_PATH}") >= 2  # of both processes
    assert asked.count("/hook") >= 1

    assert told[0] == "READY=1"
    assert told.count("WATCHDOG=1") > 3
    assert sum(each.startswith("RELOADING=1\nMONOTONIC_USEC=") for each in told) == 4
    assert told.count("READY=1") == 5
    assert told[-1] == "STOPPING=1"

    files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in home.iterdir()}
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert {"store.db", "endpoints.json"} <= set(files)
    assert set(files.values()) == {0o600}
    with closing(StoreReader(home / "store.db")) as store:
        assert {"steady", "second", "third"} <= set(store.targets())
        assert "auth_rejected" in {alert.name for alert in store.alerts(0, time.time())}

    ours = {"good", "changing", "probe.toml"}
    written = b"".join(path.read_bytes() for path in home.iterdir() if path.name not in ours)
    shown = (ran.out + ran.err + busy.out + busy.err).encode() + written
    token = json.loads(broker.ssid[2:])[1]["session"]
    for secret in (token, TOKEN, PROXY_PASSWORD, WEBHOOK_TOKEN, DEADMAN_PATH):
        assert secret.encode() not in shown
        assert json.dumps(secret)[1:-1].encode() not in shown


def test_a_store_that_cannot_be_written_and_a_credential_that_cannot_be_read_again_stop_nothing(
    broker: Served, home: Path
) -> None:
    place = file(home / "plain", "") / "store.db"
    arguments = ("-", "--endpoint", broker.url, "--json", "--store", str(place))
    with file(home / "ssid", broker.ssid).open() as ssid, watching(home, *arguments, stdin=ssid) as running:
        assert str(place) in running.notice("store.failed")
        running.streaming("pocketoption-demo")
        running.send(signal.SIGHUP)
        assert "came by standard input" in running.notice("config.reload-failed")
        ran = running.end(signal.SIGTERM)
    assert ran.code == 0
    assert ran.told[-1]["targets"][0]["condition"]["state"] == "streaming"


# Everything that a process connects to or looks up, told by the interpreter itself.
AUDITED = (
    "import sys\n"
    "def note(event, given):\n"
    "    if event == 'socket.connect': print('TO', given[1], file=sys.stderr)\n"
    "    if event == 'socket.getaddrinfo': print('NAME', bytes(given[0]).decode(), file=sys.stderr)\n"
    "sys.addaudithook(note)\n"
    "from probe.cli.main import main\n"
    "main()\n"
)


def test_nobody_is_contacted_who_was_not_named(broker: Served, home: Path) -> None:
    with watching(
        home, "env:MINE", "--endpoint", broker.url, "--json", more={"MINE": broker.ssid},
        command=(sys.executable, "-c", AUDITED, "monitor"),
    ) as running:  # fmt: skip
        running.streaming("pocketoption-demo")
        ran = running.end(signal.SIGINT)
    address = broker.endpoint.address
    told = set(ran.err.splitlines())
    assert told == {f"TO {(address.host, address.port)}", f"NAME {address.host}"}
    assert ran.told[-1]["targets"][0]["uplink"] == "not measured"


@pytest.mark.long
def test_a_process_that_stood_still_did_not_observe(broker: Served, home: Path) -> None:
    with watching(
        home, "env:MINE", "--endpoint", broker.url, *JSON, more={"MINE": broker.ssid}
    ) as running:  # fmt: skip
        running.streaming("pocketoption-demo")
        running.send(signal.SIGSTOP)
        time.sleep(8)  # of real time, in which somebody else is suspended
        running.send(signal.SIGCONT)
        assert "did not run" in running.notice("monitor.late")
        running.line(lambda line: line["kind"] == "tick")
        ran = running.end(signal.SIGINT)
    (target,) = ran.told[-1]["targets"]
    assert 7 < target["unobserved_seconds"] < 10
    assert target["observed_seconds"] < 5
    assert [line for line in ran.told if line["kind"] == "incident"] == []


def test_a_fault_that_no_broker_among_them_can_have_is_refused(home: Path) -> None:
    ran = watch(home, "sim:mt5", "--for", "1s", "--fault", "drop")
    assert ran.code == 2
    assert "no broker that is simulated here can have drop" in ran.err
