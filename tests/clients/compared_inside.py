"""Twelve frequent failures, as public clients name them and as the doctor does, where nothing else can be reached.

python -m tests.clients.compared_inside: prints one line of JSON, for each failure what each of them said.
"""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from typing import Any

from tests.cli import bad_servers as bad
from tests.clients.inside import HERE, INSTALLED, ROOT
from tests.pretending import POCKETOPTION

CLIENTS = ("websockets", "websocket-client", "python-socketio")
DOCTOR_WITHIN = 60.0


def _answering(status: bytes, body: bytes, *headers: bytes, promised: int = 0) -> bad.Behaviour:
    """`promised`: bytes of a body that never come."""
    length = b"Content-Length: %d" % (len(body) + promised)
    head = b"\r\n".join((b"HTTP/1.1 " + status, *headers, length, b"", b""))

    def behave(connection: socket.socket) -> None:
        bad.read_head(connection)
        connection.sendall(head + body)
        bad.linger(connection)

    return behave


def _plain(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nConnection: close\r\n\r\n")


def _hang_up(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.close()


CLOUDFLARE = (b"Server: cloudflare", b"CF-RAY: 8f0000000000abcd-FRA")
SERVERS: dict[
    str, tuple[bad.Behaviour, str]
] = {  # what is staged, by the failure's name, and the URL's scheme
    "a challenge of Cloudflare's": (
        _answering(
            b"403 Forbidden", b"<title>Just a moment...</title>", b"cf-mitigated: challenge", *CLOUDFLARE
        ),
        "ws",
    ),
    "an address that Cloudflare blocks": (
        _answering(b"403 Forbidden", b"error code: 1020", *CLOUDFLARE),
        "ws",
    ),
    "too many requests": (_answering(b"429 Too Many Requests", b"", b"Retry-After: 900"), "ws"),
    "a redirect to the login page": (
        _answering(b"302 Found", b"", b"Location: https://broker.example/login"),
        "ws",
    ),
    "a web page in place of the WebSocket": (
        _answering(b"200 OK", b"<html><title>Welcome</title></html>", b"Content-Type: text/html"),
        "ws",
    ),
    "a broken backend whose answer never ends": (
        _answering(b"503 Service Unavailable", b"", b"Server: nginx", promised=1000),
        "ws",
    ),
    "a server that takes the connection and says nothing": (bad.silent, "ws"),
    "TLS spoken to a plain port": (_plain, "wss"),
    "a connection that ends inside the TLS handshake": (_hang_up, "wss"),
}
FAULTS = {
    "an expired session": "auth-refused",
    "a session that is thrown out without a word": "auth-41",
    "prices that stop": "silent-stall:at=2s",
}


def main() -> None:
    with ExitStack() as stack, ThreadPoolExecutor(6) as pool:
        places: dict[str, tuple[str, str]] = {}
        for name, (behave, scheme) in SERVERS.items():
            url = stack.enter_context(bad.serving(behave))
            places[name] = (url.replace("ws://", f"{scheme}://"), POCKETOPTION.ssid)
        for name, fault in FAULTS.items():
            places[name] = stack.enter_context(_simulated(fault))
        # The doctor first: other connections of this machine would be part of what it sees.
        doctors = {name: pool.submit(_doctor, *place) for name, place in places.items()}
        wait(doctors.values())
        told = {
            name: {who: pool.submit(ask, *places[name]) for who, ask in _strangers().items()}
            | {"doctor": doctor}
            for name, doctor in doctors.items()
        }
        found = {
            name: {who: _without_numbers(each.result()) for who, each in said.items()}
            for name, said in told.items()
        }
    print("\n" + json.dumps(found))


def _strangers() -> dict[str, Callable[[str, str], str]]:
    def stranger(client: str) -> Callable[[str, str], str]:
        return lambda url, login: _last_line(
            [str(INSTALLED / "bin" / "python"), "-P", str(HERE / "strangers.py"), client, url, login], 0
        )

    return {client: stranger(client) for client in CLIENTS}


def _doctor(url: str, login: str) -> str:
    command = [sys.executable, "-m", "probe", "doctor", "-", "--broker", "pocketoption", "--endpoint", url]
    done = subprocess.run(
        [*command, "--store", "none", "--json"],
        cwd=ROOT, input=login, stdout=subprocess.PIPE, text=True, timeout=DOCTOR_WITHIN, check=False,
    )  # fmt: skip
    verdict = json.loads(done.stdout)["verdicts"][0]
    return f"{verdict['certainty']}: {verdict['says']} ({verdict['code']})"


def _last_line(command: list[str], status: int) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=DOCTOR_WITHIN, check=False)
    return (
        done.stdout.strip().splitlines()[-1] if done.returncode == status else f"ended with {done.returncode}"
    )


@contextmanager
def _simulated(fault: str) -> Iterator[tuple[str, str]]:
    command = (sys.executable, "-m", "probe", "sim", "pocketoption", "--json", "--no-tls", "--fault", fault)
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            first: dict[str, Any] = json.loads(process.stdout.readline())
            yield first["url"], first["credential"]
        finally:
            process.terminate()


def _without_numbers(said: str) -> str:
    """Ports, object ids and counts differ from run to run."""
    said = re.sub(r"127\.0\.0\.1(?:'?, (?:port=)?|:)\d+", "127.0.0.1:PORT", said)
    said = re.sub(r"0x[0-9a-f]+|\(_ssl\.c:\d+\)", "…", said)
    return re.sub(r"connected, \d+ messages", "connected, and messages", said)


if __name__ == "__main__":
    main()
