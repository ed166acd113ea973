"""`probe gateway` as it is run: a program over a real bridge, behind which are the fake package and a process that stands for the
terminal. All of them are ours to kill.
"""

import io
import json
import os
import re
import secrets
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, redirect_stdout
from pathlib import Path
from typing import IO, Any

import httpx
import pytest
import rpyc  # type: ignore[import-untyped]

from probe.cli.main import run as probe_command
from tests.drivers.pki import make_pki

pytestmark = pytest.mark.skipif(os.name != "posix", reason="processes are named and ended as on POSIX")

ROOT = Path(__file__).resolve().parents[2]
LOGIN = {"account_number": 1001, "password": "pass-1001", "server": "Fake-Demo"}
DATA = ("account", "balance", "equity", "snapshot", "positions", "orders", "history", "symbol/BTCUSD")
PATIENCE = 2.0  # seconds that a call has
BRIDGE = """
import sys
from rpyc import SlaveService
from rpyc.utils.server import ThreadedServer
import MetaTrader5
server = ThreadedServer(SlaveService, hostname="127.0.0.1", port=int(sys.argv[1]))
server.listener.listen()
print(server.port, flush=True)
server.start()
"""
GATEWAY = """
import functools, sys
from probe.drivers import terminal
from probe.gateway import app, desk, sessions
terminal.PROCESS, patience = sys.argv.pop(1), float(sys.argv.pop(1))
app.GatewaySettings = functools.partial(app.GatewaySettings, deadline=patience)
desk.SURE_FOR = 0.0
sessions.TRIES = 1000
from probe.cli.main import main
main()
"""


class House:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._name = f"t{secrets.token_hex(4)}.exe"  # others run beside it
        (folder / self._name).symlink_to(sys.executable)
        self.account = folder / "account.json"
        self._errors: IO[str] = (folder / "errors").open("w")
        self._bridge_port = 0
        self.processes: dict[str, subprocess.Popen[str]] = {}
        self.client = httpx.Client(timeout=20)

    def start_terminal(self) -> None:
        self._start("terminal", self._folder / self._name, "-ISc", "print(flush=True); input()")

    def start_bridge(self) -> None:
        said = self._start("bridge", sys.executable, "-c", BRIDGE, str(self._bridge_port))
        self._bridge_port = int(said)

    def start_gateway(self, *more: str | Path) -> None:
        self.account.write_text(json.dumps(LOGIN))
        self.account.chmod(0o600)
        where = ("--terminal", f"bridge:127.0.0.1:{self._bridge_port}", "--account", f"file:{self.account}")
        program = (sys.executable, "-c", GATEWAY, self._name, str(PATIENCE), "gateway", *where, "--port", "0")
        said = self._start("gateway", *program, *more)
        found = re.fullmatch(r"listening on (https?://\S+), read-only\. Ctrl-C ends it\.\n", said)
        assert found, self.errors()
        self.client.base_url = httpx.URL(found[1])

    def _start(self, what: str, *command: str | Path) -> str:
        fake = {"PYTHONPATH": str(ROOT / "tests" / "clients" / "fake_mt5")} if what == "bridge" else {}
        process = self.processes[what] = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | fake, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self._errors, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        return process.stdout.readline()

    def kill(self, what: str) -> None:
        with self.processes.pop(what) as process:  # closes its pipes
            process.kill()

    def close(self) -> None:
        self.client.close()
        for what in tuple(self.processes):
            self.kill(what)
        self._errors.close()

    def errors(self) -> str:
        return (self._folder / "errors").read_text()

    @contextmanager
    def fake(self) -> Iterator[Any]:
        """The simulated terminal in the bridge's process."""
        with closing(rpyc.classic.connect("127.0.0.1", self._bridge_port)) as far:
            yield far.modules.MetaTrader5.terminal

    def login(self, **fields: object) -> httpx.Response:
        answer = self.client.post("/api/v1/login", json=LOGIN | fields)
        if answer.status_code == 200:
            self.client.headers["Authorization"] = f"Bearer {answer.json()['session_token']}"
        return answer

    def read(self) -> set[tuple[int, str]]:
        """Status of all, and the words of those that are none."""
        answers = [self.client.get(f"/api/v1/{what}") for what in DATA]
        return {(each.status_code, "" if each.is_success else each.json()["detail"]) for each in answers}

    def check(self, within: str) -> Any:
        """What `probe check` says of it, with the token that the client has."""
        token = self.account.with_name("token.json")
        token.write_text(json.dumps({"token": self.client.headers["Authorization"].partition(" ")[2]}))
        token.chmod(0o600)
        where = ("--broker", "mt5", "--endpoint", str(self.client.base_url).rstrip("/"))
        with redirect_stdout(io.TextIOWrapper(io.BytesIO(), "utf-8")) as said:
            probe_command(["check", f"file:{token}", *where, "--json", "--timeout", within])
            said.seek(0)
            return json.load(said)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = House(tmp_path_factory.mktemp("house"))
    try:
        house.start_terminal()
        house.start_bridge()
        house.start_gateway()
        yield house
    finally:
        house.close()


@pytest.fixture
def house(whole: House) -> Iterator[House]:
    """All of it in order, and the client logged in."""
    assert whole.login().status_code == 200
    yield whole
    for what, start in (("terminal", whole.start_terminal), ("bridge", whole.start_bridge)):
        if what not in whole.processes:
            start()
    with whole.fake() as fake:
        fake.process_running = fake.connected = True
        fake.call_seconds = 0.0


def test_a_day_with_it(house: House) -> None:
    assert house.read() == {(200, "")}
    assert house.client.get("/api/v1/account").json()["login"] == 1001
    assert house.client.get("/health").json()["status"] == "healthy"
    assert house.client.get("/docs").status_code == 404
    assert house.client.post("/api/v1/logout").status_code == 200
    assert house.read() == {(401, "Invalid or expired session token")}


def test_another_login_than_its_own_reaches_no_terminal(house: House) -> None:
    wrong = ({"password": "x"}, {"account_number": 1002, "password": "pass-1002"})
    assert {house.login(**each).status_code for each in wrong} == {401}
    assert house.client.get("/api/v1/account").json()["login"] == 1001


def test_a_terminal_that_is_killed_is_told_and_not_started(house: House) -> None:
    house.kill("terminal")
    with house.fake() as fake:
        fake.process_running = False
    [(status, words)] = house.read()
    assert (status, "See whether it runs" in words) == (503, True)
    assert house.client.get("/health").status_code == 503
    answer = house.login()
    assert (answer.status_code, answer.json()["detail"]) == (
        503,
        "The terminal is not running. Start it on its machine.",
    )
    with house.fake() as fake:
        assert fake.launches == 0
        fake.process_running = True


def test_a_killed_terminal_that_was_started_again_is_used_after_one_more_login(house: House) -> None:
    house.kill("terminal")
    with house.fake() as fake:
        fake.process_running = False
        assert {status for status, _ in house.read()} == {503}
        house.start_terminal()
        fake.process_running = True
    assert house.login().status_code == 200
    assert house.read() == {(200, "")}


def test_a_bridge_that_is_killed_is_told_and_a_new_one_used(house: House) -> None:
    house.kill("bridge")
    words = "The terminal cannot be reached. Look at the bridge to it on its machine."
    assert house.read() == {(503, words)}
    house.start_bridge()
    assert house.login().status_code == 200
    assert house.read() == {(200, "")}


def test_a_terminal_without_its_broker_or_with_another_account_is_told(house: House) -> None:
    with house.fake() as fake:
        fake.connected = False
        [(status, words)] = house.read()
        assert (status, "no connection to its broker" in words) == (503, True)
        fake.connected = True
        assert fake.call("login", 1002, password="pass-1002")
        [(status, words)] = house.read()
        assert (status, "logged in to another account" in words) == (503, True)
    assert house.login().status_code == 200  # which brings its own account back
    assert house.read() == {(200, "")}


def test_a_slow_terminal_ends_in_504_and_health_is_told_at_once(house: House) -> None:
    with house.fake() as fake, ThreadPoolExecutor(1) as pool:
        fake.call_seconds = PATIENCE + 1.0
        asking = pool.submit(house.client.get, "/api/v1/account")
        healths = [house.client.get("/health")]
        while not asking.done():
            healths.append(house.client.get("/health"))
        fake.call_seconds = 0.0
    assert asking.result().status_code == 504
    assert healths[0].status_code == 200  # it was, a moment ago
    assert max(each.elapsed.total_seconds() for each in healths) < PATIENCE
    while (answer := house.client.get("/api/v1/account")).status_code == 504:
        pass  # the slow call is not done yet
    assert answer.status_code == 200


def test_a_check_names_what_is_wrong_behind_it(house: House) -> None:
    with house.fake() as fake:
        fake.connected = False
        found = house.check("2s")
    assert (found["verdict"], found["findings"][0]["code"]) == ("failed", "mt5.no-server-connection")


def test_over_tls_and_until_ctrl_c(tmp_path: Path) -> None:
    pki, house = make_pki(tmp_path), House(tmp_path)
    try:
        house.start_terminal()
        house.start_bridge()
        certificate = tmp_path / "good.pem"
        house.start_gateway("--tls-cert", certificate, "--tls-key", certificate)
        context = ssl.create_default_context(cafile=pki.ca_file)
        with httpx.Client(base_url=house.client.base_url, verify=context) as trusting:
            assert trusting.base_url.scheme == "https"
            assert trusting.post("/api/v1/login", json=LOGIN).status_code == 200
        house.processes["gateway"].send_signal(signal.SIGINT)
        assert house.processes["gateway"].wait(timeout=20) == 0
        assert "Traceback" not in house.errors()
        assert "pass-1001" not in house.errors()
    finally:
        house.close()
