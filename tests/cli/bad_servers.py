"""Servers that do one wrong thing, on loopback, each in a thread of its own."""

import base64
import contextlib
import hashlib
import re
import socket
import threading
from collections.abc import Callable, Iterator
from urllib.parse import unquote_plus

from tests.pretending import POCKETOPTION, Known

Behaviour = Callable[[socket.socket], None]
GREETING = b'0{"sid":"abc","upgrades":[],"pingInterval":25000,"pingTimeout":20000}'


@contextlib.contextmanager
def serving(behave: Behaviour, known: Known = POCKETOPTION) -> Iterator[str]:
    """The URL, as that broker's, of a server that treats every connection like that."""
    listener = socket.create_server(("127.0.0.1", 0))
    opened: list[socket.socket] = []

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                opened.append(connection)
                threading.Thread(target=treat, args=(connection,), daemon=True).start()

    def treat(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            behave(connection)

    threading.Thread(target=accept, daemon=True).start()
    port = listener.getsockname()[1]
    try:
        yield f"ws://127.0.0.1:{port}{known.path}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in opened:
            connection.close()


def read_head(connection: socket.socket) -> tuple[bytes, bytes]:
    """A request's head, and what came behind it."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, behind = data.partition(b"\r\n\r\n")
    return head, behind


def upgrade(connection: socket.socket) -> bytes:
    """Open the WebSocket in order; the request's head."""
    head, _ = read_head(connection)
    key = next(
        line.split(b": ")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")
    )
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
        + accept
        + b"\r\n\r\n"
    )
    return head


def frame(payload: bytes, opcode: int = 1) -> bytes:
    length = len(payload)
    head = (
        bytes((0x80 | opcode, length))
        if length < 126
        else bytes((0x80 | opcode, 126)) + length.to_bytes(2, "big")
    )
    return head + payload


def linger(connection: socket.socket) -> None:
    """Say nothing more until the other end leaves."""
    while connection.recv(65536):
        pass


def silent(connection: socket.socket) -> None:
    linger(connection)


def garbage(connection: socket.socket) -> None:
    connection.sendall(bytes(range(256)) * 64)
    linger(connection)


def garbage_after_upgrade(connection: socket.socket) -> None:
    upgrade(connection)
    connection.sendall(b"\xff" * 1000)
    linger(connection)


def page(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(_page(b"200 OK", b"<title>Just a moment...</title>", b"Server: cloudflare"))
    linger(connection)


def endless_page(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(
        b"HTTP/1.1 503 Service Unavailable\r\nServer: nginx\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    while True:
        connection.sendall(b"400\r\n" + b"x" * 1024 + b"\r\n")


def endless_head(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\n")
    while True:
        connection.sendall(b"X-Filler: " + b"x" * 4000 + b"\r\n")


def endless_events(connection: socket.socket) -> None:
    upgrade(connection)
    connection.sendall(frame(GREETING))
    flood = frame(b'42["nobody knows this",{"filler":"' + b"x" * 1000 + b'"}]') * 50
    while True:
        connection.sendall(flood)


def hundred_megabytes(connection: socket.socket) -> None:
    upgrade(connection)
    connection.sendall(b"\x82\x7f" + (100 * 1024 * 1024).to_bytes(8, "big"))
    for _ in range(100):
        connection.sendall(b"x" * 1024 * 1024)


def echoing(connection: socket.socket) -> None:
    """Refuses, and repeats the login it was sent in its refusal, its close reason and everywhere else."""
    head = upgrade(connection)
    connection.sendall(frame(GREETING))
    if b"EIO=4" in head:  # whose clients ask to join
        connection.recv(65536)
        connection.sendall(frame(b'40{"sid":"x"}'))
    else:
        connection.sendall(frame(b"40"))
    data = bytearray(connection.recv(65536))
    mask, length = data[2:6], data[1] & 127
    start = 6
    if length == 126:
        mask, start, length = data[4:8], 8, int.from_bytes(data[2:4], "big")
    login = bytes(byte ^ mask[at % 4] for at, byte in enumerate(data[start : start + length]))
    connection.sendall(frame(b'42["odd",' + login[2:] + b"]"))
    connection.sendall(frame(b"not a packet " + login))
    connection.sendall(frame(b'42["NotAuthorized",{"reason":' + login[2:].split(b",", 1)[1][:-1] + b"}]"))
    connection.sendall(frame(b"\x03\xf0" + login[:60], opcode=8))
    linger(connection)


def echoing_page(connection: socket.socket) -> None:
    """Repeats the cookies it was sent, in its reason, its headers and its title."""
    head, _ = read_head(connection)
    cookies = next(line[8:] for line in head.split(b"\r\n") if line.startswith(b"Cookie: "))
    connection.sendall(_page(b"403 " + cookies, b"<title>%b</title>" % cookies, b"Server: " + cookies))
    linger(connection)


def echoing_form(connection: socket.socket) -> None:
    """A sign-in page that repeats what was typed, as it came and as it was meant, and calls that an error of its own."""
    head, typed = read_head(connection)
    if length := re.search(rb"(?i)content-length: (\d+)", head):
        while len(typed) < int(length[1]):
            typed += connection.recv(65536)
        meant = unquote_plus(typed.decode()).encode()
        connection.sendall(_page(b"500 No", b"<title>%b %b</title>" % (meant, typed), b"Server: " + typed))
    else:
        connection.sendall(_page(b"200 OK", b'<input name="_token" value="planted0form">', b"Server: x"))
    linger(connection)


def _page(status: bytes, body: bytes, header: bytes) -> bytes:
    length = b"Content-Length: %d" % len(body)
    return b"\r\n".join((b"HTTP/1.1 " + status, header, length, b"Connection: close", b"", body))
