"""Small proxies: scripts for a `peer` that open a way as a proxy does, or do not."""

import contextlib
import socket
import threading

from tests.drivers.peers import PATIENCE, Script

YES = b"HTTP/1.1 200 Connection established\r\nProxy-Agent: relay\r\n\r\n"
BOUND = b"\x05\x00\x00\x01" + bytes(6)


class Relay:
    """Notes what it was asked, and goes to `port` on this machine whatever the name."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.asked = b""

    def http(self, sock: socket.socket) -> None:
        while not self.asked.endswith(b"\r\n\r\n"):
            self.asked += sock.recv(65536)
        self._pass(sock, YES)

    def socks(self, sock: socket.socket) -> None:
        self._hear(sock, 3)
        sock.sendall(b"\x05\x00")
        self._request(sock)

    def socks_with_login(self, sock: socket.socket) -> None:
        self._hear(sock, 4)
        sock.sendall(b"\x05\x02")
        self._hear(sock, self._hear(sock, 2)[1])
        self._hear(sock, self._hear(sock, 1)[0])
        sock.sendall(b"\x01\x00")
        self._request(sock)

    def _request(self, sock: socket.socket) -> None:
        kind = self._hear(sock, 4)[3]
        self._hear(sock, (self._hear(sock, 1)[0] if kind == 3 else {1: 4, 4: 16}[kind]) + 2)
        self._pass(sock, BOUND)

    def _hear(self, sock: socket.socket, count: int) -> bytes:
        heard = sock.recv(count, socket.MSG_WAITALL)
        self.asked += heard
        return heard

    def _pass(self, sock: socket.socket, yes: bytes) -> None:
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as target:
            sock.sendall(yes)
            back = threading.Thread(target=_copy, args=(target, sock))
            back.start()
            _copy(sock, target)
            back.join(PATIENCE)


def _copy(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def answering(*replies: bytes) -> Script:
    """Says one reply to each thing it hears, then listens until it is left alone."""

    def script(sock: socket.socket) -> None:
        for reply in replies:
            sock.recv(65536)
            sock.sendall(reply)
        while sock.recv(65536):
            pass

    return script


def dribble(sock: socket.socket) -> None:
    """Always about to answer, until it is left alone."""
    sock.settimeout(0.05)
    with contextlib.suppress(OSError):
        while True:
            sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            with contextlib.suppress(TimeoutError):
                if not sock.recv(65536):
                    return
