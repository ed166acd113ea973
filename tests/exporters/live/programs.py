"""The real Prometheus and Alertmanager on free ports of this machine, and what their HTTP APIs answer."""

import json
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import yaml

T = TypeVar("T")
Json = dict[str, Any]
Alert = tuple[str, str]  # its name, with the window where several have it; its target, or nothing

PATIENCE = 30.0  # seconds, for what takes one or two on an idle machine
LISTENING = re.compile(r'msg="Listening on".* address=(\S+)')


def needed(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")


def eventually(look: Callable[[], T | None], wanted: str, *, within: float = PATIENCE) -> T:
    """What it sees, as soon as that is something."""
    deadline = time.monotonic() + within
    while True:
        try:
            seen = look()
        except httpx.TransportError as problem:
            seen, wanted = None, f"{wanted.partition(' (')[0]} ({problem!r})"
        if seen:
            return seen
        if time.monotonic() > deadline:
            pytest.fail(f"not within {within:g} s: {wanted}")
        time.sleep(0.05)


def checked(*command: str | Path, stdin: str = "") -> str:
    """What a program's own check says; it must be content."""
    needed(str(command[0]))
    ran = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


def asked(base: str, path: str, **query: str) -> Any:
    answer = httpx.get(f"{base}{path}", params=query, trust_env=False, timeout=PATIENCE)
    assert answer.status_code == 200, f"{path} {query}: {answer.text}"
    return answer.json()


@dataclass(frozen=True, slots=True)
class Program:
    process: subprocess.Popen[bytes]
    base: str
    log: Path

    @property
    def address(self) -> str:
        return self.base.partition("//")[2]

    def reload(self) -> None:
        self.process.send_signal(signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Prometheus(Program):
    def api(self, path: str, **query: str) -> Any:
        return asked(self.base, f"/api/v1/{path}", **query)["data"]

    def query(self, expression: str) -> list[Json]:
        found: list[Json] = self.api("query", query=expression)["result"]
        return found

    def value(self, expression: str) -> float | None:
        """Of the one series; None: there is none."""
        found = self.query(expression)
        assert len(found) < 2, found
        return float(found[0]["value"][1]) if found else None

    def up(self, job: str) -> list[float]:
        return [float(each["value"][1]) for each in self.query(f'up{{job="{job}"}}')]

    def firing(self) -> set[Alert]:
        alerts = self.api("alerts")["alerts"]
        return {_named(each["labels"]) for each in alerts if each["state"] == "firing"}

    def rules(self) -> list[Json]:
        return [rule for group in self.api("rules")["groups"] for rule in group["rules"]]

    def exemplars(self, metric: str) -> list[Json]:
        end = time.time()
        series = self.api("query_exemplars", query=metric, start=str(end - 3600), end=str(end + 60))
        return [exemplar for each in series for exemplar in each["exemplars"]]


@dataclass(frozen=True, slots=True)
class Alertmanager(Program):
    def inhibited(self) -> dict[Alert, set[str]]:
        """Each alert that another one silences, and the names of those."""
        alerts = asked(self.base, "/api/v2/alerts")
        names = {each["fingerprint"]: _named(each["labels"])[0] for each in alerts}
        return {
            _named(each["labels"]): {names.get(by, "") for by in each["status"]["inhibitedBy"]}
            for each in alerts
            if each["status"]["state"] == "suppressed"
        }

    def queried(self, *matchers: str) -> list[Json]:
        """With the tool that people use."""
        answer = checked(
            "amtool", f"--alertmanager.url={self.base}", "alert", "query", "-o", "json", *matchers
        )
        found: list[Json] = json.loads(answer)
        return found


def _named(labels: Mapping[str, str]) -> Alert:
    return " ".join(filter(None, (labels["alertname"], labels.get("window")))), labels.get("target", "")


@contextmanager
def prometheus(folder: Path, config: Json) -> Iterator[Prometheus]:
    """Rule files and others that the configuration names are relative to the folder."""
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    checked("promtool", "check", "config", file)
    command = (
        "prometheus", f"--config.file={file}", f"--storage.tsdb.path={folder / 'tsdb'}",
        "--web.listen-address=127.0.0.1:0", "--enable-feature=exemplar-storage",
    )  # fmt: skip
    with _listening(folder / "prometheus.log", command) as (process, base):
        _ready(base)
        yield Prometheus(process, base, folder / "prometheus.log")


@contextmanager
def alertmanager(folder: Path, config: str) -> Iterator[Alertmanager]:
    file = folder / "alertmanager.yml"
    file.write_text(config, encoding="utf-8")
    checked("amtool", "check-config", file)
    command = (
        "prometheus-alertmanager", f"--config.file={file}", f"--storage.path={folder / 'alertmanager'}",
        "--web.listen-address=127.0.0.1:0", "--cluster.listen-address=",
    )  # fmt: skip
    with _listening(folder / "alertmanager.log", command) as (process, base):
        _ready(base)
        yield Alertmanager(process, base, folder / "alertmanager.log")


@contextmanager
def _listening(log: Path, command: Sequence[str]) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Each takes a free port itself and writes which: so no two of them ever want the same."""
    needed(command[0])
    with log.open("wb") as written:
        process = subprocess.Popen(command, stdout=written, stderr=subprocess.STDOUT, cwd=log.parent)
    try:

        def address() -> str | None:
            said = log.read_text(encoding="utf-8")
            if process.poll() is not None:
                pytest.fail(f"{command[0]} ended with {process.returncode}:\n{said}")
            found = LISTENING.search(said)
            return found[1] if found else None

        yield process, f"http://{eventually(address, f'{command[0]} listens')}"
    finally:
        ended(process)


def _ready(base: str) -> None:
    eventually(lambda: httpx.get(f"{base}/-/ready", trust_env=False).status_code == 200, f"{base} is ready")


def ended(process: subprocess.Popen[Any]) -> None:
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@dataclass(slots=True)
class Webhook:
    """What Alertmanager brought."""

    url: str = ""
    brought: list[Json] = field(default_factory=list)

    def names(self, status: str) -> set[Alert]:
        """`firing` or `resolved`."""
        alerts = [each for post in tuple(self.brought) for each in post["alerts"]]
        return {_named(each["labels"]) for each in alerts if each["status"] == status}

    def brings(self, status: str, *wanted: Alert, within: float = PATIENCE) -> None:
        """Waits for it."""
        deadline = time.monotonic() + within
        while missing := {*wanted} - self.names(status):
            if time.monotonic() > deadline:
                pytest.fail(f"not {status} at the webhook within {within:g} s: {sorted(missing)}")
            time.sleep(0.05)


@contextmanager
def webhook() -> Iterator[Webhook]:
    sink = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            sink.brought.append(json.loads(body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    sink.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield sink
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
