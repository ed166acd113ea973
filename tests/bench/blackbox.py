"""Our `/probe` beside the real blackbox_exporter: CPU for one, memory, size; and what each does at a server that is silent."""

import asyncio
import contextlib
import http.client
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect

from tests.bench.checks import _median
from tests.bench.figures import Figure
from tests.bench.simulated import simulator

BLACKBOX = "prometheus-blackbox-exporter"
PROBES, AT_ONCE, ROUNDS = 500, 10, 3
TIMEOUT_HEADER = {"X-Prometheus-Scrape-Timeout-Seconds": "2.5"}
CONFIG = """\
modules:
  http:
    prober: http
    timeout: 5s
    http:
      valid_status_codes: [{status}]
      follow_redirects: false
      tls_config: {{ca_file: '{ca_file}'}}
  http_ok:
    prober: http
    timeout: 5s
  tcp:
    prober: tcp
    timeout: 5s
  tcp_expect:
    prober: tcp
    timeout: 5s
    tcp: {{query_response: [{{expect: '.'}}]}}
"""


class Prober:
    """A running program, and its `/probe`."""

    def __init__(self, process: "subprocess.Popen[str]", port: int, query: str) -> None:
        self.process, self.port, self.query = process, port, query

    def ask(self, query: str) -> tuple[str, float]:
        """The answer, and how long it took."""
        began = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request("GET", f"/probe?{query}", headers=TIMEOUT_HEADER)
            return connection.getresponse().read().decode(), time.monotonic() - began

    def cpu_of_one(self) -> float:
        """Milliseconds, ten at a time over connections that are kept."""
        before = self._cpu()
        failures: list[str] = []
        threads = [threading.Thread(target=self._many, args=(failures,)) for _ in range(AT_ONCE)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        return (self._cpu() - before) / PROBES

    def _many(self, failures: list[str]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            for _ in range(PROBES // AT_ONCE):
                connection.request("GET", f"/probe?{self.query}")
                said = connection.getresponse().read().decode()
                if "\nprobe_success 1\n" not in said:
                    failures.append(said)

    def _cpu(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float:
        """Resident, MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024


@contextlib.contextmanager
def _blackbox(target: str, status: int, ca_file: str) -> Iterator[Prober]:
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as free:
        config = Path(folder) / "blackbox.yml"
        config.write_text(CONFIG.format(status=status, ca_file=ca_file))
        port = free.getsockname()[1]
        free.close()
        command = [BLACKBOX, f"--config.file={config}", f"--web.listen-address=127.0.0.1:{port}"]
        process = subprocess.Popen([*command, "--log.level=error"], text=True)
        try:
            _wait_for(port)
            yield Prober(process, port, f"module=http&target={target}")
        finally:
            process.terminate()
            process.wait(10)


@contextlib.contextmanager
def _ours(url: str, ca_file: str) -> Iterator[Prober]:
    command = [sys.executable, "-m", "tests.bench.probing_server", url, ca_file]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        _wait_for(port)
        yield Prober(process, port, "module=open&target=one")
    finally:
        process.terminate()
        process.communicate(timeout=10)


def _wait_for(port: int) -> None:
    until = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


def blackbox() -> Iterator[Figure]:
    if shutil.which(BLACKBOX) is None:
        print(f"{BLACKBOX} is not installed: nothing is compared")
        return
    with simulator("pocketoption") as running:
        for scheme, aim in (("ws", 3.0), ("wss", 2.5)):
            yield from _compared(running.endpoint(scheme), scheme, aim)
    yield from _silent()


def _compared(told: dict[str, Any], scheme: str, aim: float) -> Iterator[Figure]:
    url, ca_file = told["url"], told.get("ca_file") or ""
    web = "http" + url.partition("?")[0][2:]
    status = _status_of(web, ca_file)
    with _blackbox(web, status, ca_file) as theirs, _ours(url, ca_file) as ours, _plain_web() as port:
        easy = Prober(theirs.process, theirs.port, f"module=http_ok&target=http://127.0.0.1:{port}/")
        probers = (theirs, ours, easy) if scheme == "ws" else (theirs, ours)
        costs: list[list[float]] = [[] for _ in probers]
        for turn in range(ROUNDS + 1):
            for prober, measured in zip(probers, costs, strict=True):
                cost = prober.cpu_of_one()
                if turn:  # the first is start-up
                    measured.append(cost)
        cost_of_theirs, cost_of_ours, *at_ease = (sorted(each)[ROUNDS // 2] for each in costs)
        context = _context(ca_file)
        _, floor = asyncio.run(_median(lambda: _bare(url, context)))
        name = f"/probe, {scheme} to the open packet"
        yield Figure(
            f"CPU of {name} / blackbox's {web.partition(':')[0]} probe",
            cost_of_ours / cost_of_theirs,
            "x",
            aim,
            f"{cost_of_ours:.2f} ms against {cost_of_theirs:.2f} ms; bare websockets, without any HTTP server, {floor:.2f} ms",
        )
        yield Figure(
            f"resident memory after {PROBES * (ROUNDS + 1)} of {name}",
            ours.memory(),
            "MB",
            100,
            f"blackbox {theirs.memory():.0f} MB",
        )
        for cost in at_ease:
            note = f"{cost_of_ours:.2f} ms against {cost:.2f} ms"
            yield Figure(
                f"CPU of {name} / its probe of a web server that says OK at once",
                cost_of_ours / cost,
                "x",
                aim,
                note,
            )
        said, (other, _) = ours.ask(ours.query)[0], theirs.ask(theirs.query)
        yield Figure(
            f"answer of {name}",
            len(said),
            "B",
            4096,
            f"{_series(said)} series; blackbox {len(other)} B, {_series(other)} series",
        )


WEB = """
import asyncio
class Ok(asyncio.Protocol):
    def connection_made(self, transport): self.transport = transport
    def data_received(self, data): self.transport.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
async def main():
    server = await asyncio.get_running_loop().create_server(Ok, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


@contextlib.contextmanager
def _plain_web() -> Iterator[int]:
    """The least that a web server can be."""
    process = subprocess.Popen([sys.executable, "-c", WEB], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.communicate(timeout=10)


def _series(said: str) -> int:
    return sum(not line.startswith("#") for line in said.splitlines())


def _context(ca_file: str) -> ssl.SSLContext | None:
    return ssl.create_default_context(cafile=ca_file) if ca_file else None


async def _bare(url: str, context: ssl.SSLContext | None) -> None:
    async with connect(url, ssl=context, compression=None, origin=None, proxy=None) as opened:
        await opened.recv()


def _status_of(url: str, ca_file: str) -> int:
    """What the simulator says to a plain request: blackbox shall call that a success."""
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    connection = (
        http.client.HTTPSConnection(host, context=_context(ca_file))
        if scheme == "https"
        else http.client.HTTPConnection(host)
    )
    with contextlib.closing(connection):
        connection.request("GET", f"/{path}")
        return connection.getresponse().status


def _silent() -> Iterator[Figure]:
    """It accepts, and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        with (
            _ours(f"ws://{host}/socket.io/?EIO=4&transport=websocket", "") as ours,
            _blackbox(f"http://{host}/", 200, "") as theirs,
        ):
            said, seconds = ours.ask(ours.query)
            told = [f"ours: {_outcome(said)}"]
            for module, target in (("http", f"http://{host}/"), ("tcp", host), ("tcp_expect", host)):
                answer, took = theirs.ask(f"module={module}&target={target}")
                told.append(f"blackbox {module}: {_outcome(answer)} after {took:.2f} s")
            yield Figure(
                "a silent server, scrape timeout 2.5 s: our answer after", seconds, "s", 2.5, "; ".join(told)
            )


def _outcome(said: str) -> str:
    lines = said.splitlines()
    reasons = [
        each.partition('"')[2].partition('"')[0]
        for each in lines
        if each.startswith("tradeprobe_probe_reason{")
    ]
    success = next(line for line in lines if line.startswith("probe_success "))
    return " ".join([success, *reasons])
