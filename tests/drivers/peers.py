"""The other ends: one scripted socket on a thread, so that every runtime meets the same peer."""

import contextlib
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator

PATIENCE = 5.0
Script = Callable[[socket.socket], object]


@contextlib.contextmanager
def peer(script: Script, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Iterator[int]:
    """Accept one connection and play the script on it. Gives the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, 0), family=family)
    listener.settimeout(PATIENCE)

    def play() -> None:
        with contextlib.suppress(OSError):
            accepted, _ = listener.accept()
            with accepted:
                accepted.settimeout(PATIENCE)
                if tls is None:
                    script(accepted)
                else:
                    with tls.wrap_socket(accepted, server_side=True) as secured:
                        script(secured)

    player = threading.Thread(target=play, daemon=True)
    player.start()
    try:
        yield listener.getsockname()[1]
    finally:
        with contextlib.suppress(OSError):  # an accept that still waits would do so for its whole patience
            socket.create_connection(listener.getsockname()[:2], PATIENCE).close()
        player.join(PATIENCE)
        listener.close()
        assert not player.is_alive(), "the peer did not finish"


@contextlib.contextmanager
def black_hole() -> Iterator[int]:
    """A port whose accept queue is full: Linux drops every further SYN, so an attempt gets no answer at all."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        is_full = False
        while not is_full:
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            is_full = not select.select([], [filler], [], 0.1)[
                1
            ]  # a busy kernel takes a moment to take it in
        yield listener.getsockname()[1]


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def read_all(sock: socket.socket) -> bytes:
    received = bytearray()
    with contextlib.suppress(OSError):
        while data := sock.recv(65536):
            received += data
    return bytes(received)


def beneath_tls(sock: socket.socket) -> socket.socket:
    """The bare socket. What `ssl` says of it is not always true: a reset comes out as an end."""
    raw = socket.socket(fileno=sock.detach())
    raw.settimeout(PATIENCE)
    return raw


def echo(sock: socket.socket) -> None:
    while data := sock.recv(65536):
        sock.sendall(data)


def say_nothing(sock: socket.socket) -> None:
    read_all(sock)


def close_at_once(sock: socket.socket) -> None:
    sock.recv(65536)  # unread bytes would turn the close into a reset


def reset(sock: socket.socket) -> None:
    """Wait for the first bytes, then RST."""
    sock.recv(65536)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def never_stop(sock: socket.socket) -> None:
    while True:
        sock.sendall(bytes(65536))
