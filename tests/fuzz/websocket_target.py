"""Both ends of a WebSocket under any bytes in any chunks: no exception, one end, and the same events however it is cut."""

from collections.abc import Iterator
from random import Random

from probe.wire.frames import FrameStream
from probe.wire.websocket import (
    Broken,
    ClientSocket,
    ClientSocketEvent,
    CloseReceived,
    HandshakeBroken,
    ServedSocket,
    ServedSocketEvent,
    UpgradeRefused,
    UpgradeRequested,
)

_MAX_MESSAGE = 100_000
_LAST = Broken | CloseReceived | HandshakeBroken | UpgradeRefused
_Event = ClientSocketEvent | ServedSocketEvent


def _client() -> ClientSocket:
    return ClientSocket(host="h", path_and_query="/", headers=(), rng=Random(7), max_message=_MAX_MESSAGE)


def _server() -> ServedSocket:
    return ServedSocket(rng=Random(7), max_message=_MAX_MESSAGE)


def _accepted() -> bytes:
    server = _server()
    server.receive(_client().request())
    return server.accept()


def _frames(*, is_client: bool) -> bytes:
    stream = FrameStream(rng=Random(3), max_message=_MAX_MESSAGE, is_client=is_client)
    return b"".join(
        (
            stream.send_text('42["ps"]'),
            stream.send_binary(b"[1]"),
            stream.send_ping(b"ping"),
            stream.send_pong(b"pong"),
            stream.send_text("é" * 100),
            stream.send_close(1000, "bye"),
        )
    )


REQUEST, ACCEPTED = _client().request(), _accepted()
FROM_CLIENT, FROM_SERVER = _frames(is_client=True), _frames(is_client=False)
# The first byte says which end listens and whether the handshake is behind it, the second how the rest is cut.
TO_CLIENT, TO_SERVER, TO_OPEN_CLIENT, TO_OPEN_SERVER = b"\0", b"\1", b"\2", b"\3"
SEEDS: list[bytes] = [
    TO_CLIENT + b"\1" + ACCEPTED + FROM_SERVER,
    TO_CLIENT + b"\2HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\nServer: x\r\n\r\nno no",
    TO_CLIENT + b"\3HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n<html>\r\n0\r\n\r\n",
    TO_CLIENT + b"\4HTTP/1.1 100 Continue\r\n\r\n" + ACCEPTED,
    TO_CLIENT + b"\5SSH-2.0-OpenSSH\r\n",
    TO_SERVER + b"\6" + REQUEST + FROM_CLIENT,
    TO_SERVER + b"\7GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    TO_OPEN_CLIENT + b"\x08" + FROM_SERVER,
    TO_OPEN_SERVER + b"\x09" + FROM_CLIENT,
    TO_OPEN_CLIENT + b"\x0a\x01\x01a\x00\x01b\x89\x00\x80\x01c\x82\x7e\x00\x05hello\x88\x02\x03\xe8",
]
DICTIONARY: list[bytes] = [
    b"\r\n", b"\r\n\r\n", b"HTTP/1.1 101 ", b"HTTP/1.0", b"HTTP/2 200", b"GET ", b"Upgrade: websocket\r\n", b": ", b"\n",
    b"Connection: Upgrade\r\n", b"Sec-WebSocket-Accept: ", b"Sec-WebSocket-Key: ", b"Sec-WebSocket-Extensions: x\r\n",
    b"Content-Length: 99999999999\r\n", b"Content-Length: -1\r\n", b"Transfer-Encoding: chunked\r\n", b"ffffffffffffffff\r\n",
    b"\x81\x00", b"\x82\x00", b"\x88\x00", b"\x89\x7d", b"\x8a\x00", b"\x00\x00", b"\x01\x00", b"\x80\x00", b"\xc1\x00",
    b"\x81\x7e\x00\x00", b"\x81\x7f\x00\x00\x00\x00\x00\x01\x86\xa1", b"\x82\x7f" + b"\xff" * 8, b"\x88\x01", b"\x83\x00",
    b"\x88\x02\x03\xed", b"\x81\x80\x00\x00\x00\x00", b"\x82\xfe\x00\x00", b"\xff", b"\xed\xa0\x80", b"\x00" * 200,
    TO_CLIENT, TO_SERVER, TO_OPEN_CLIENT, TO_OPEN_SERVER, ACCEPTED, REQUEST,
]  # fmt: skip


def run(data: bytes) -> None:
    end, cut, wire = data[:1], data[1:2], data[2:]
    whole = _events(end, [wire])
    pieces = _events(end, chunks(wire, Random(cut[0] if cut else 0)))
    assert [type(event) for event in pieces] == [type(event) for event in whole]
    if end in (TO_OPEN_CLIENT, TO_OPEN_SERVER):
        assert pieces == whole


def chunks(data: bytes, rng: Random) -> Iterator[bytes]:
    largest = rng.choice((1, 3, 30, 300, 10_000))
    while data:
        size = rng.randint(1, largest)
        yield data[:size]
        data = data[size:]


def _opened(end: bytes) -> ClientSocket | ServedSocket:
    if end in (TO_SERVER, TO_OPEN_SERVER):
        server = _server()
        if end == TO_OPEN_SERVER:
            server.receive(REQUEST)
            server.accept()
        return server
    client = _client()
    if end == TO_OPEN_CLIENT:
        client.request()
        client.receive(ACCEPTED)
    return client


def _events(end: bytes, pieces: Iterator[bytes] | list[bytes]) -> list[_Event]:
    socket = _opened(end)
    told: list[_Event] = []
    for piece in pieces:
        happened = socket.receive(piece)
        told += happened
        if isinstance(socket, ServedSocket) and any(type(event) is UpgradeRequested for event in happened):
            socket.accept()
            told += socket.receive(b"")
        assert len(socket._held or b"") + len(socket._message or b"") <= 2 * _MAX_MESSAGE + 20_000
    told += socket.receive_end()
    last = [at for at, event in enumerate(told) if isinstance(event, _LAST)]
    assert last in ([], [len(told) - 1])
    return told
