"""Servers that do one wrong thing, on loopback, each in a thread of its own."""

import base64
import contextlib
import hashlib
import socket
import threading
from collections.abc import Callable, Iterator

Behaviour = Callable[[socket.socket], None]
GREETING = b'0{"sid":"abc","upgrades":[],"pingInterval":25000,"pingTimeout":20000}'


@contextlib.contextmanager
def serving(behave: Behaviour) -> Iterator[str]:
    """The URL of a server that treats every connection like that."""
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
        yield f"ws://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in opened:
            connection.close()


def upgrade(connection: socket.socket) -> None:
    """Open the WebSocket in order."""
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(65536)
    key = next(
        line.split(b": ")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")
    )
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
        + accept
        + b"\r\n\r\n"
    )


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
    body = b"<html><head><title>Just a moment...</title></head></html>"
    connection.sendall(
        b"HTTP/1.1 200 OK\r\nServer: cloudflare\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    )
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
    upgrade(connection)
    connection.sendall(frame(GREETING))
    connection.recv(65536)
    connection.sendall(frame(b'40{"sid":"x"}'))
    data = bytearray(connection.recv(65536))
    mask, length = data[2:6], data[1] & 127
    start = 6
    if length == 126:
        mask, start = data[4:8], 8
    login = bytes(byte ^ mask[at % 4] for at, byte in enumerate(data[start:]))
    connection.sendall(frame(b'42["odd",' + login[2:] + b"]"))
    connection.sendall(frame(b"not a packet " + login))
    connection.sendall(frame(b'42["NotAuthorized",{"reason":' + login[2:].split(b",", 1)[1][:-1] + b"}]"))
    connection.sendall(frame(b"\x03\xf0" + login[:60], opcode=8))
    linger(connection)
