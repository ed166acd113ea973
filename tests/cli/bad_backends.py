"""Web servers that do one wrong thing to whoever polls them, on loopback, each in a thread of its own."""

import contextlib
import gzip
import json
import socket
import ssl
import struct
import time
import zlib
from collections.abc import Callable, Iterator

from tests.cli.bad_servers import Behaviour, read_head, serving

Answer = Callable[[bytes], bytes]  # to a request's head
MIB = 1024 * 1024
FLOOD = b'{"status":"' + b"x" * (10 * MIB) + b'"}'
HEALTHY = b'{"status":"healthy","timestamp":"2026-11-21T12:00:00Z"}'


def http(body: bytes, status: bytes = b"200 OK", *headers: bytes) -> bytes:
    length = b"Content-Length: %d" % len(body)
    return b"\r\n".join((b"HTTP/1.1 " + status, length, *headers, b"", body))


def as_json(body: bytes, status: bytes = b"200 OK", *headers: bytes) -> bytes:
    return http(body, status, b"Content-Type: application/json", *headers)


def always(answer: bytes | Answer) -> Behaviour:
    """To every question, as long as somebody asks."""

    def behave(connection: socket.socket) -> None:
        with contextlib.suppress(IndexError):
            while True:
                head, _ = _next_head(connection)
                connection.sendall(answer if isinstance(answer, bytes) else answer(head))

    return behave


def after_health(answer: bytes | Answer) -> Behaviour:
    """What needs no credential is as it should be."""

    def choose(head: bytes) -> bytes:
        path = head.split()[1]
        if path == b"/health":
            return as_json(HEALTHY)
        if path == b"/openapi.json" or head.startswith(b"OPTIONS"):
            return as_json(b'{"detail":"Not Found"}', b"404 Not Found")
        return answer if isinstance(answer, bytes) else answer(head)

    return always(choose)


def _next_head(connection: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            raise IndexError
        data += piece
    head, _, behind = data.partition(b"\r\n\r\n")
    return head, behind


def endless(connection: socket.socket) -> None:
    read_head(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"400\r\n" + b"x" * 1024 + b"\r\n")


def dribbling(connection: socket.socket) -> None:
    read_head(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        connection.sendall(b"[")
        time.sleep(0.02)


def reset_in_the_middle(connection: socket.socket) -> None:
    read_head(connection)
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"status"')
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def over_tls(context: ssl.SSLContext, behave: Behaviour) -> Behaviour:
    def wrapped(connection: socket.socket) -> None:
        with contextlib.suppress(ssl.SSLError):
            behave(context.wrap_socket(connection, server_side=True))

    return wrapped


def bomb(layers: int) -> bytes:
    body = zlib.compress(b"[" * (64 * MIB), 9, wbits=31)
    for _ in range(layers - 1):
        body = gzip.compress(body)
    return body


def echo(status: bytes) -> Answer:
    """Repeats what it was asked, in its reason, its headers and its body, as whatever kind of text."""

    def answer(head: bytes) -> bytes:
        lines = head.decode("latin-1").split("\r\n")
        secret = " ".join(line for line in lines if line.lower().startswith(("cookie:", "authorization:")))
        said = f"{secret} belongs to ann.other@mail.example"
        body = {"detail": said, "error": said, "status": said, "message": said, "login": said, said: said}
        return as_json(
            json.dumps(body).encode(), status + b" " + said.encode(), b"Server: " + said.encode(),
            b"Location: /?" + said.replace(" ", "_").encode(), b"X-Request-Id: " + said.encode(),
        )  # fmt: skip

    return answer


@contextlib.contextmanager
def serving_web(behave: Behaviour, scheme: str = "http") -> Iterator[str]:
    with serving(behave) as url:
        yield f"{scheme}://{url.split('/')[2]}"
