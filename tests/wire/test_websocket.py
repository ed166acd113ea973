"""The opening handshake of both roles, and what an open connection keeps of it."""

import gc
import sys
from collections.abc import Callable, Iterator, Sequence
from random import Random
from types import BuiltinFunctionType, FunctionType, ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.model.errors import LocalProtocolError
from probe.wire.websocket import (
    Binary,
    ClientSocket,
    ClientSocketEvent,
    CloseReceived,
    HandshakeBroken,
    HandshakeFault,
    Headers,
    Opened,
    Ping,
    Pong,
    ServedSocket,
    ServedSocketEvent,
    Text,
    UpgradeRefused,
    UpgradeRequested,
)

REQUEST = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
    b"Host: server.example.com\r\n"
    b"Upgrade: websocket\r\n"
    b"Connection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
    b"Origin: https://example.com\r\n"
    b"Cookie: a=b\r\n"
    b"\r\n"
)
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\n"
UPGRADE = b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
ACCEPT = b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
ACCEPTED = SWITCHING + UPGRADE + ACCEPT + b"\r\n"
ACCEPTED_HEADERS = (
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
)

Socket = ClientSocket | ServedSocket
Event = ClientSocketEvent | ServedSocketEvent
Delivery = Callable[[bytes], Iterator[bytes]]


class NonceOfTheStandard(Random):
    """Makes the key of RFC 6455 section 1.3, so that its accept value can stand here literally."""

    def randbytes(self, n: int) -> bytes:
        assert n == 16
        return b"the sample nonce"


def client(headers: Sequence[tuple[str, str]] = ()) -> ClientSocket:
    return ClientSocket(
        host="server.example.com",
        path_and_query="/socket.io/?EIO=4&transport=websocket",
        headers=headers,
        rng=NonceOfTheStandard(7),
        max_message=1_000_000,
    )


def server() -> ServedSocket:
    return ServedSocket(rng=Random(7), max_message=1_000_000)


def whole(wire: bytes) -> Iterator[bytes]:
    yield wire


def byte_by_byte(wire: bytes) -> Iterator[bytes]:
    for position in range(len(wire)):
        yield wire[position : position + 1]


both_deliveries = pytest.mark.parametrize("deliver", [whole, byte_by_byte])


def received(socket: Socket, wire: bytes, deliver: Delivery = whole) -> list[Event]:
    return [event for piece in deliver(wire) for event in socket.receive(piece)]


def only(events: Sequence[Event]) -> Event:
    (event,) = events
    return event


def broken(events: Sequence[Event]) -> tuple[HandshakeFault, str, bytes]:
    event = only(events)
    assert isinstance(event, HandshakeBroken)
    return event.reason, event.detail, event.preview


# --- the client's request


def test_the_request_carries_the_callers_headers_in_order() -> None:
    request = client([("Origin", "https://example.com"), ("Cookie", "a=b")]).request()
    assert request == REQUEST


def test_no_extension_and_no_origin_is_offered_unasked() -> None:
    request = client().request().lower()
    assert (b"extensions" in request, b"origin" in request) == (False, False)


def test_keys_come_from_the_generator() -> None:
    def request(seed: int) -> bytes:
        return ClientSocket(
            host="h", path_and_query="/", headers=(), rng=Random(seed), max_message=1
        ).request()

    assert request(1) == request(1) != request(2)


@pytest.mark.parametrize("value", ["planted\r\nX-Evil: 1", "planted\n", "planted\x00", "planted-€"])
def test_a_header_that_http_cannot_carry_is_named_without_its_value(value: str) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        client([("Cookie", value)]).request()
    assert ("Cookie" in str(caught.value), "planted" in str(caught.value)) == (True, False)


@pytest.mark.parametrize("path", ["/planted path", "/planted\r\n", "", "/planted-ü"])
def test_a_path_that_http_cannot_carry_is_refused_without_being_shown(path: str) -> None:
    socket = ClientSocket(host="h", path_and_query=path, headers=(), rng=Random(1), max_message=1)
    with pytest.raises(LocalProtocolError) as caught:
        socket.request()
    assert "planted" not in str(caught.value)


def test_a_request_after_the_handshake_is_our_own_mistake() -> None:
    socket = client()
    socket.receive(ACCEPTED)
    with pytest.raises(LocalProtocolError):
        socket.request()


# --- answers that open


@both_deliveries
def test_frames_behind_the_101_are_read(deliver: Delivery) -> None:
    wire = ACCEPTED + bytes.fromhex("8101 30 8201 31 8900 8a01 32 8802 03e8") + b"ignored"
    assert received(client(), wire, deliver) == [
        Opened(status=101, headers=ACCEPTED_HEADERS),
        Text("0"),
        Binary(b"1"),
        Ping(b""),
        Pong(b"2"),
        CloseReceived(code=1000, reason=""),
    ]


@pytest.mark.parametrize(
    ("answer", "headers"),
    [
        (
            SWITCHING
            + b"upgrade: WebSocket\r\nCONNECTION:keep-alive, upgrade\r\n"
            + ACCEPT.replace(b": ", b":\t ").replace(b"\r", b" \r")
            + b"\r\n",
            (("upgrade", "WebSocket"), ("CONNECTION", "keep-alive, upgrade"), ACCEPTED_HEADERS[2]),
        ),
        (ACCEPTED.replace(b"\r\n", b"\n"), ACCEPTED_HEADERS),
        (ACCEPTED.replace(b" Switching Protocols", b""), ACCEPTED_HEADERS),
        (
            ACCEPTED[:-2] + b"Set-Cookie: a\r\nSet-Cookie: b\xe9\r\nX-Long: " + b"x" * 20_000 + b"\r\n\r\n",
            (*ACCEPTED_HEADERS, ("Set-Cookie", "a"), ("Set-Cookie", "bé"), ("X-Long", "x" * 20_000)),
        ),
    ],
    ids=["case and spaces", "bare line feeds", "no reason phrase", "long and repeated headers"],
)
@both_deliveries
def test_lenient_101s_open(answer: bytes, headers: Headers, deliver: Delivery) -> None:
    assert received(client(), answer, deliver) == [Opened(status=101, headers=headers)]


@both_deliveries
def test_interim_answers_are_skipped(deliver: Delivery) -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nA: b\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n"
    assert only(received(client(), interim + ACCEPTED, deliver)) == Opened(
        status=101, headers=ACCEPTED_HEADERS
    )


def test_endless_interim_answers_are_given_up() -> None:
    socket = client()
    events = [event for _ in range(4000) for event in socket.receive(b"HTTP/1.1 100 Continue\r\n\r\n")]
    assert broken(events)[0] is HandshakeFault.HEADER_TOO_LARGE


# --- answers that refuse

HTML = b"<html>" + b"x" * 100 + b"</html>"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 113\r\n\r\n" + HTML,
            (200, "OK", (("Content-Type", "text/html"), ("Content-Length", "113")), HTML, True),
        ),
        (
            b"HTTP/1.1 403 Forbidden\r\n" + CHUNKED + b"5\r\nJust \r\n0A;x=y\r\na moment..\r\n0\r\n\r\n",
            (403, "Forbidden", (("Transfer-Encoding", "chunked"),), b"Just a moment..", True),
        ),
        (
            b"HTTP/1.1 302 Found\r\nLocation: https://login.example.com/\r\ncontent-length: 0\r\n\r\n",
            (302, "Found", (("Location", "https://login.example.com/"), ("content-length", "0")), b"", True),
        ),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n", (304, "Not Modified", (), b"", True)),
        (
            b"HTTP/1.0 503 Service Unavailable\r\nContent-Length: 2\r\n\r\nno",
            (503, "Service Unavailable", (("Content-Length", "2"),), b"no", True),
        ),
        (b"HTTP/1.1 530 \r\nContent-Length: 1\r\n\r\nx", (530, "", (("Content-Length", "1"),), b"x", True)),
        (
            b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000,
            (502, "Bad Gateway", (("Content-Length", "5000"),), b"x" * 4096, False),
        ),
        (
            b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4096\r\n\r\n" + b"x" * 4096,
            (502, "Bad Gateway", (("Content-Length", "4096"),), b"x" * 4096, True),
        ),
        (
            b"HTTP/1.1 502 Bad Gateway\r\n" + CHUNKED + b"1000\r\n" + b"x" * 4096 + b"\r\n0\r\n\r\n",
            (502, "Bad Gateway", (("Transfer-Encoding", "chunked"),), b"x" * 4096, True),
        ),
        (
            b"HTTP/1.1 502 Bad Gateway\r\n" + CHUNKED + b"1388\r\n" + b"x" * 5000 + b"\r\n0\r\n\r\n",
            (502, "Bad Gateway", (("Transfer-Encoding", "chunked"),), b"x" * 4096, False),
        ),
        (
            b"HTTP/1.1 502 Bad Gateway\r\n" + CHUNKED + b"2\r\nxy\r\nno size\r\n",
            (502, "Bad Gateway", (("Transfer-Encoding", "chunked"),), b"xy", False),
        ),
        (
            b"HTTP/1.1 502 Bad Gateway\r\n" + CHUNKED + b"2\r\nxy\r\n2;" + b"x" * 300,
            (502, "Bad Gateway", (("Transfer-Encoding", "chunked"),), b"xy", False),
        ),
        (b"HTTP/1.1 500 X\r\n\r\n" + b"y" * 4097, (500, "X", (), b"y" * 4096, False)),
    ],
)
@both_deliveries
def test_an_answer_other_than_101_is_a_refusal(
    answer: bytes, expected: tuple[int, str, Headers, bytes, bool], deliver: Delivery
) -> None:
    socket = client()
    status, reason, headers, body_preview, complete = expected
    refusal = UpgradeRefused(
        status=status, reason=reason, headers=headers, body_preview=body_preview, complete=complete
    )
    assert received(socket, answer + b"HTTP/1.1 next", deliver) == [refusal]
    assert (socket.receive_end(), socket.refusal_so_far()) == ([], None)


@pytest.mark.parametrize(
    ("framing", "body", "body_preview", "complete"),
    [
        (b"Content-Length: 100\r\n\r\n", b"five!", b"five!", False),
        (CHUNKED, b"5\r\nfive!\r\n64\r\nmore", b"five!more", False),
        (CHUNKED, b"5\r\nfive!\r\n", b"five!", False),
        (CHUNKED, b"", b"", False),
        (b"\r\n", b"until the end", b"until the end", True),
        (b"Content-Length: many\r\n\r\n", b"until the end", b"until the end", True),
    ],
)
@both_deliveries
def test_a_refusal_with_an_unfinished_body_is_told_so_far_and_at_the_end(
    framing: bytes, body: bytes, body_preview: bytes, complete: bool, deliver: Delivery
) -> None:
    socket = client()
    assert socket.refusal_so_far() is None
    assert received(socket, b"HTTP/1.1 503 Busy\r\n" + framing + body, deliver) == []
    so_far = socket.refusal_so_far()
    assert so_far is not None
    assert (so_far.status, so_far.reason, so_far.body_preview, so_far.complete) == (
        503,
        "Busy",
        body_preview,
        False,
    )
    at_the_end = only(socket.receive_end())
    assert isinstance(at_the_end, UpgradeRefused)
    assert (at_the_end.status, at_the_end.body_preview, at_the_end.complete) == (503, body_preview, complete)
    assert (socket.refusal_so_far(), socket.receive_end(), socket.receive(ACCEPTED)) == (None, [], [])


def test_an_endless_body_is_told_after_4096_bytes() -> None:
    socket = client()
    events = received(socket, b"HTTP/1.1 503 Busy\r\n\r\n")
    pieces = 0
    while not events:
        events += socket.receive(b"x" * 100)
        pieces += 1
    refusal = only(events)
    assert isinstance(refusal, UpgradeRefused)
    assert (pieces, refusal.body_preview, refusal.complete) == (41, b"x" * 4096, False)


# --- answers that are no handshake


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (SWITCHING + b"\r\n", "Connection"),
        (SWITCHING + b"Connection: Upgrade\r\n" + ACCEPT + b"\r\n", "Upgrade"),
        (SWITCHING + b"Upgrade: websocket\r\nConnection: close\r\n" + ACCEPT + b"\r\n", "Connection"),
        (SWITCHING + b"Upgrade: h2c\r\nConnection: Upgrade\r\n" + ACCEPT + b"\r\n", "Upgrade"),
        (SWITCHING + UPGRADE + b"\r\n", "Sec-WebSocket-Accept"),
        (SWITCHING + UPGRADE + ACCEPT + ACCEPT + b"\r\n", "Sec-WebSocket-Accept"),
        (SWITCHING + UPGRADE + ACCEPT.replace(b"s3p", b"S3p") + b"\r\n", "Sec-WebSocket-Accept"),
        (ACCEPTED[:-2] + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", "no extensions supported"),
        (ACCEPTED[:-2] + b"Sec-WebSocket-Protocol: chat\r\n\r\n", "no subprotocols supported"),
        (ACCEPTED.replace(b"HTTP/1.1", b"HTTP/1.0"), "101 over HTTP/1.0"),
    ],
)
@both_deliveries
def test_a_101_that_does_not_answer_our_request_is_invalid(
    answer: bytes, detail: str, deliver: Delivery
) -> None:
    socket = client()
    reason, said, preview = broken(received(socket, answer + b"\x81\x01x", deliver))
    assert (reason, detail in said, preview) == (HandshakeFault.INVALID_UPGRADE, True, answer[:256])


@pytest.mark.parametrize(
    ("answer", "told_after"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n", 1),
        (b"\x15\x03\x01\x00\x02\x02\x46", 1),  # a TLS alert
        (b"\x00\x00\x12\x04\x00\x00\x00\x00\x00", 1),  # HTTP/2 settings
        (b"HTTP/2.0 200 OK\r\n\r\n", 6),
        (b"http/1.1 200 OK\r\n\r\n", 1),
        (b"HTTPS/1.1", 5),
        (b"HTTP/1.1 abc\r\n\r\n", 16),
        (b"HTTP/1.1 099 No\r\n\r\n", 19),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", 29),
        (b"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n", 34),
        (b"HTTP/1.1 200 OK\r\nA: \x00\r\n\r\n", 25),
    ],
)
def test_what_cannot_be_http_is_told_at_the_first_byte_that_shows_it(answer: bytes, told_after: int) -> None:
    socket = client()
    assert received(socket, answer[: told_after - 1], byte_by_byte) == []
    reason, _, preview = broken(socket.receive(answer[told_after - 1 : told_after]))
    assert (reason, preview) == (HandshakeFault.NOT_HTTP, answer[:told_after])
    assert (socket.receive(ACCEPTED), socket.receive_end()) == ([], [])
    reason, _, preview = broken(client().receive(answer + b"x" * 300))
    assert (reason, preview[:told_after], len(preview) <= 256) == (
        HandshakeFault.NOT_HTTP,
        answer[:told_after],
        True,
    )


@pytest.mark.parametrize(
    "bomb",
    [
        SWITCHING + b"X: " + b"x" * 70_000,
        SWITCHING + b"X: x\r\n" * 11_000,
        b"HTTP/1.1 200 " + b"x" * 70_000 + b"\r\n\r\n",
        SWITCHING + b"X: x\r\n" * 11_000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX:" + b" " * 70_000,
    ],
)
def test_a_head_over_64_kib_is_too_large(bomb: bytes) -> None:
    pieces = (bomb[position : position + 1000] for position in range(0, len(bomb), 1000))
    for deliver in (whole, lambda _: pieces):
        reason, detail, preview = broken(received(client(), bomb, deliver))
        assert (reason, preview) == (HandshakeFault.HEADER_TOO_LARGE, bomb[:256])
        assert "65536 bytes" in detail


def test_a_head_of_64_kib_with_many_headers_is_read() -> None:
    filler = b"X: x\r\n" * 10_800
    answer = ACCEPTED[:-2] + filler + b"Y: " + b"y" * (65_536 - len(ACCEPTED) - len(filler) - 5) + b"\r\n\r\n"
    assert len(answer) == 65_536
    assert isinstance(only(client().receive(answer)), Opened)
    assert broken(client().receive(answer.replace(b"Y: ", b"YY: ")))[0] is HandshakeFault.HEADER_TOO_LARGE


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (b"", "before an HTTP head"),
        (b"HTT", "inside the HTTP head, after 3 bytes"),
        (ACCEPTED[:-1], f"inside the HTTP head, after {len(ACCEPTED) - 1} bytes"),
    ],
)
def test_a_stream_that_ends_inside_the_head_is_cut_short(answer: bytes, detail: str) -> None:
    socket = client()
    assert received(socket, answer, byte_by_byte) == []
    assert broken(socket.receive_end()) == (
        HandshakeFault.CUT_SHORT,
        f"the stream ended {detail}",
        answer[:256],
    )
    assert (socket.receive(ACCEPTED), socket.receive_end()) == ([], [])


def test_the_end_of_an_open_stream_says_nothing() -> None:
    socket = client()
    socket.receive(ACCEPTED + b"\x81\x05hel")
    assert socket.receive_end() == []


# --- the server


@both_deliveries
def test_a_valid_request_is_told_and_accepted(deliver: Delivery) -> None:
    socket = server()
    assert received(socket, REQUEST, deliver) == [
        UpgradeRequested(
            method="GET",
            target="/socket.io/?EIO=4&transport=websocket",
            headers=(
                ("Host", "server.example.com"),
                *ACCEPTED_HEADERS[:2],
                ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
                ("Sec-WebSocket-Version", "13"),
                ("Origin", "https://example.com"),
                ("Cookie", "a=b"),
            ),
            preview=REQUEST[:256],
        )
    ]
    assert socket.accept([("Date", "Fri, 21 Nov 2025 06:00:00 GMT"), ("CF-RAY", "8")]) == (
        ACCEPTED[:-2] + b"Date: Fri, 21 Nov 2025 06:00:00 GMT\r\nCF-RAY: 8\r\n\r\n"
    )
    assert socket.receive(bytes.fromhex("8185 37fa213d 7f9f4d5158")) == [Text("Hello")]
    assert socket.send_text("Hello") == bytes.fromhex("8105 48656c6c6f")
    assert socket.receive_end() == []


def test_offered_extensions_and_subprotocols_are_passed_over() -> None:
    socket = server()
    offers = b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\nSec-WebSocket-Protocol: chat\r\n"
    assert isinstance(only(socket.receive(REQUEST[:-2] + offers + b"\r\n")), UpgradeRequested)
    assert socket.accept() == ACCEPTED


@pytest.mark.parametrize(
    ("replace", "by", "reason", "detail"),
    [
        (b"Upgrade: websocket\r\n", b"", HandshakeFault.INVALID_UPGRADE, "Upgrade"),
        (b"Connection: Upgrade", b"Connection: close", HandshakeFault.INVALID_UPGRADE, "Connection"),
        (b"dGhl", b"dG", HandshakeFault.INVALID_UPGRADE, "Sec-WebSocket-Key"),
        (b"Version: 13", b"Version: 8", HandshakeFault.INVALID_UPGRADE, "Sec-WebSocket-Version"),
        (b"GET", b"POST", HandshakeFault.INVALID_UPGRADE, "POST"),
        (b"HTTP/1.1", b"HTTP/1.0", HandshakeFault.INVALID_UPGRADE, "HTTP/1.0"),
        (b"HTTP/1.1", b"HTTP/2.0", HandshakeFault.NOT_HTTP, "request line"),
        (b"GET /", b"GET  /", HandshakeFault.NOT_HTTP, "request line"),
        (b"Host: ", b"Host ", HandshakeFault.NOT_HTTP, "line 2"),
    ],
)
@both_deliveries
def test_a_request_that_is_no_upgrade_is_broken_and_can_be_answered(
    replace: bytes, by: bytes, reason: HandshakeFault, detail: str, deliver: Delivery
) -> None:
    socket = server()
    wire = REQUEST.replace(replace, by)
    got_reason, said, preview = broken(received(socket, wire, deliver))
    assert (got_reason, detail in said, preview) == (reason, True, wire[:256])
    with pytest.raises(LocalProtocolError):
        socket.accept()
    assert socket.refuse(400, "Bad Request", [], b"no\n") == (
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\nno\n"
    )


@pytest.mark.parametrize(
    ("wire", "told_after"),
    [(b"\x16\x03\x01\x02\x00", 1), (b"SSH-2.0-PuTTY\r\n", 4), (b"get / HTTP/1.1\r\n", 1), (b"GET\t/", 4)],
)
def test_a_client_that_does_not_speak_http_is_told_at_once(wire: bytes, told_after: int) -> None:
    socket = server()
    assert received(socket, wire[: told_after - 1], byte_by_byte) == []
    assert broken(socket.receive(wire[told_after - 1 :]))[0] is HandshakeFault.NOT_HTTP


def test_the_http_2_preface_is_not_http_1() -> None:
    assert broken(server().receive(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))[0] is HandshakeFault.NOT_HTTP


def test_a_request_that_is_too_large_or_cut_short_is_broken() -> None:
    assert broken(server().receive(b"GET /" + b"x" * 70_000))[0] is HandshakeFault.HEADER_TOO_LARGE
    socket = server()
    socket.receive(REQUEST[:-1])
    assert broken(socket.receive_end())[0] is HandshakeFault.CUT_SHORT
    assert socket.receive(REQUEST) == []


def test_a_refusal_is_read_as_one_by_the_client() -> None:
    served, asking = server(), client()
    served.receive(asking.request())
    refusal = served.refuse(429, "Too Many Requests", [("Retry-After", "9")], b"slow down")
    assert asking.receive(refusal) == [
        UpgradeRefused(
            status=429,
            reason="Too Many Requests",
            headers=(("Retry-After", "9"), ("Content-Length", "9")),
            body_preview=b"slow down",
            complete=True,
        )
    ]
    assert served.receive(b"\x81\x80abcd") == []


@pytest.mark.parametrize("framing", [("content-length", "100"), ("Transfer-Encoding", "chunked")])
def test_a_refusal_keeps_the_framing_its_caller_wants(framing: tuple[str, str]) -> None:
    socket = server()
    socket.receive(REQUEST)
    assert socket.refuse(503, "Busy", [framing], b"5\r\n") == (
        f"HTTP/1.1 503 Busy\r\n{framing[0]}: {framing[1]}\r\n\r\n5\r\n".encode()
    )


def test_frames_that_come_before_the_answer_are_read_after_it() -> None:
    socket = server()
    early = client().send_text("early")
    assert len(socket.receive(REQUEST + early[:4])) == 1
    assert socket.receive(early[4:]) == []
    assert socket.receive_end() == []
    socket.accept()
    assert socket.receive(b"") == [Text("early")]


def test_endless_frames_before_the_answer_are_given_up() -> None:
    socket = server()
    socket.receive(REQUEST)
    assert socket.receive(bytes(65_536)) == []
    assert broken(socket.receive(b"\x00"))[0] is HandshakeFault.INVALID_UPGRADE
    with pytest.raises(LocalProtocolError):
        socket.accept()


def test_a_second_answer_is_our_own_mistake() -> None:
    socket = server()
    with pytest.raises(LocalProtocolError):
        socket.accept()
    socket.receive(REQUEST)
    socket.accept()
    with pytest.raises(LocalProtocolError):
        socket.accept()


# --- both


def open_pair() -> tuple[ClientSocket, ServedSocket]:
    rng = Random(7)
    asking = ClientSocket(host="h", path_and_query="/", headers=(), rng=rng, max_message=1_000_000)
    served = ServedSocket(rng=rng, max_message=1_000_000)
    served.receive(asking.request())
    assert isinstance(only(asking.receive(served.accept())), Opened)
    return asking, served


@given(
    there=st.lists(st.text(max_size=200)),
    back=st.lists(st.binary(max_size=200)),
    cut=st.integers(1, 300),
    seed=st.integers(),
)
@settings(max_examples=60, deadline=None)
def test_messages_go_there_and_back(there: list[str], back: list[bytes], cut: int, seed: int) -> None:
    rng = Random(seed)
    asking = ClientSocket(host="h:1", path_and_query="/?a=b", headers=(), rng=rng, max_message=1000)
    served = ServedSocket(rng=rng, max_message=1000)

    def in_pieces(wire: bytes) -> Iterator[bytes]:
        return (wire[position : position + cut] for position in range(0, len(wire), cut))

    assert isinstance(only(received(served, asking.request(), in_pieces)), UpgradeRequested)
    opened, *texts = received(
        asking, served.accept() + b"".join(served.send_text(text) for text in there), in_pieces
    )
    assert isinstance(opened, Opened)
    assert texts == [Text(text) for text in there]
    wire = b"".join(asking.send_binary(payload) for payload in back)
    assert received(served, wire, in_pieces) == [Binary(payload) for payload in back]


def kept_by(socket: Socket) -> list[object]:
    """Everything the socket keeps alive, without classes, functions and the shared generator."""
    kept: dict[int, object] = {}
    waiting: list[object] = [socket]
    while waiting:
        thing = waiting.pop()
        if id(thing) in kept or isinstance(
            thing, type | ModuleType | FunctionType | BuiltinFunctionType | Random
        ):
            continue
        kept[id(thing)] = thing
        waiting += gc.get_referents(thing)
    return list(kept.values())


def test_an_idle_connection_is_small_and_keeps_nothing_of_its_handshake() -> None:
    for socket in open_pair():
        if isinstance(socket, ServedSocket):
            socket.receive(client().send_binary(bytes(100_000)))
        else:
            socket.receive(b"\x82\x7f" + (100_000).to_bytes(8) + bytes(50_000))
            socket.receive(bytes(50_000))
        kept = kept_by(socket)
        assert [thing for thing in kept if type(thing).__module__.startswith("websockets")] == []
        assert not hasattr(socket, "__dict__")
        assert sum(sys.getsizeof(thing) for thing in kept) < 512
