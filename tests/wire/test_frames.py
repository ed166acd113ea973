"""Frames of an open connection, judged by literal bytes and by websockets' own reader."""

import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from random import Random
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Close, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import CLIENT, SERVER, Protocol
from websockets.utils import apply_mask

from probe.model.errors import LocalProtocolError
from probe.wire.frames import (
    Binary,
    Broken,
    BrokenKind,
    CloseReceived,
    FrameEvent,
    FrameStream,
    Ping,
    Pong,
    Text,
)

MAX_MESSAGE = 70_000
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
FIN = 0x80
MASK = b"\x12\x00\xfe\x7f"

Delivery = Callable[[bytes], Iterator[bytes]]


def stream(*, is_client: bool = True, max_message: int = MAX_MESSAGE) -> FrameStream:
    return FrameStream(rng=Random(7), max_message=max_message, is_client=is_client)


def frame(
    first: int, payload: bytes = b"", *, masked: bool = False, length_bytes: int | None = None
) -> bytes:
    """One frame; `length_bytes` (0, 2 or 8) forces a form of the length that may be longer than needed."""
    size = len(payload)
    if length_bytes is None:
        length_bytes = 0 if size < 126 else 2 if size < 0x10000 else 8
    second = {0: size, 2: 126, 8: 127}[length_bytes] | (0x80 if masked else 0)
    head = bytes([first, second]) + (size.to_bytes(length_bytes) if length_bytes else b"")
    return head + MASK + apply_mask(payload, MASK) if masked else head + payload


def whole(wire: bytes) -> Iterator[bytes]:
    yield wire


def byte_by_byte(wire: bytes) -> Iterator[bytes]:
    for position in range(len(wire)):
        yield wire[position : position + 1]


def in_random_pieces(wire: bytes) -> Iterator[bytes]:
    rng = Random(len(wire))
    while wire:
        size = rng.choice((1, 2, 3, 5, 8, 64, 1000, 30_000))
        yield wire[:size]
        wire = wire[size:]


def received(socket: FrameStream, pieces: Iterable[bytes]) -> list[FrameEvent]:
    return [event for piece in pieces for event in socket.receive_frames(piece)]


def plain(events: list[FrameEvent]) -> list[tuple[object, ...]]:
    """Events as what both readers can say: the kind, the content, and of a violation its close code."""
    said: list[tuple[object, ...]] = []
    for event in events:
        match event:
            case CloseReceived(code=code, reason=reason):
                said.append(("close", code, reason))
            case Broken(close_code=close_code):
                said.append(("broken", close_code))
            case Text(content) | Binary(content) | Ping(content) | Pong(content):
                said.append((type(event).__name__.lower(), content))
    return said


def what_websockets_says(wire: bytes, *, is_client: bool) -> list[tuple[object, ...]]:
    """Its I/O-free reader leaves joining fragments and decoding text to its callers: done here."""
    protocol = Protocol(CLIENT if is_client else SERVER, max_size=MAX_MESSAGE)
    protocol.receive_data(wire)
    said: list[tuple[object, ...]] = []
    kind, message = "", b""
    for event in protocol.events_received():
        assert not isinstance(event, Request | Response)
        content = bytes(event.data)
        if event.opcode is Opcode.CLOSE:
            close = Close.parse(content)
            said.append(("close", None if close.code == 1005 else int(close.code), close.reason))
        elif event.opcode in (Opcode.PING, Opcode.PONG):
            said.append((event.opcode.name.lower(), content))
        else:
            if event.opcode is not Opcode.CONT:
                kind, message = event.opcode.name.lower(), b""
            message += content
            if event.fin and kind == "text":
                try:
                    said.append((kind, message.decode()))
                except UnicodeDecodeError:
                    return [*said, ("broken", 1007)]
            elif event.fin:
                said.append((kind, message))
    if protocol.parser_exc is not None:
        assert protocol.close_sent is not None
        said.append(("broken", int(protocol.close_sent.code)))
    return said


EURO_IN_BYTES = "€".encode()
LONG_TEXT = "x" * 65_536

# Each: frames as (first byte, payload) or (first byte, payload, bytes of the length field).
CASES: dict[str, list[tuple[int, bytes] | tuple[int, bytes, int]]] = {
    "empty text": [(FIN | TEXT, b"")],
    "empty binary": [(FIN | BINARY, b"")],
    "text of 125 bytes": [(FIN | TEXT, b"a" * 125)],
    "text of 126 bytes": [(FIN | TEXT, b"a" * 126)],
    "binary of 127 bytes": [(FIN | BINARY, b"\xfe" * 127)],
    "binary of 65535 bytes": [(FIN | BINARY, b"\xfe" * 65_535)],
    "text of 65536 bytes": [(FIN | TEXT, LONG_TEXT.encode())],
    "the largest message": [(FIN | BINARY, bytes(MAX_MESSAGE))],
    "a message one byte too large": [(FIN | BINARY, bytes(MAX_MESSAGE + 1))],
    "fragments one byte too large": [(BINARY, bytes(MAX_MESSAGE)), (FIN | CONTINUATION, b"x")],
    "fragments that just fit": [(BINARY, bytes(MAX_MESSAGE)), (FIN | CONTINUATION, b"")],
    "16-bit length of 5": [(FIN | TEXT, b"hello", 2)],
    "64-bit length of 5": [(FIN | TEXT, b"hello", 8)],
    "64-bit length of 200": [(FIN | BINARY, b"h" * 200, 8)],
    "ping with a 16-bit length of 5": [(FIN | PING, b"hello", 2)],
    "several messages": [(FIN | TEXT, b"1"), (FIN | BINARY, b"2"), (FIN | TEXT, b"3"), (FIN | TEXT, b"4")],
    "empty ping": [(FIN | PING, b"")],
    "ping of 125 bytes": [(FIN | PING, b"\xff" * 125)],
    "ping of 126 bytes": [(FIN | PING, b"\xff" * 126)],
    "unasked pong": [(FIN | PONG, b"unasked"), (FIN | PING, b"after")],
    "ten pings": [(FIN | PING, b"%d" % number) for number in range(10)],
    "two fragments": [(TEXT, b"frag"), (FIN | CONTINUATION, b"ment")],
    "empty fragments": [(BINARY, b""), (CONTINUATION, b""), (FIN | CONTINUATION, b"")],
    "an empty fragment in the middle": [(TEXT, b"a"), (CONTINUATION, b""), (FIN | CONTINUATION, b"b")],
    "ping between fragments": [
        (TEXT, b"a"),
        (FIN | PING, b"p"),
        (FIN | CONTINUATION, b"b"),
        (FIN | TEXT, b"c"),
    ],
    "ping and pong between fragments": [
        (BINARY, b"a"),
        (FIN | PONG, b"q"),
        (CONTINUATION, b"b"),
        (FIN | PING, b"p"),
        (FIN | CONTINUATION, b"c"),
    ],
    "two fragmented messages": [
        (TEXT, b"a"),
        (FIN | CONTINUATION, b"b"),
        (BINARY, b"c"),
        (FIN | CONTINUATION, b"d"),
    ],
    "fragmented ping": [(PING, b"a"), (FIN | CONTINUATION, b"b")],
    "fragmented close": [(CLOSE, b"\x03\xe8")],
    "continuation of nothing": [(FIN | TEXT, b"a"), (FIN | CONTINUATION, b"b")],
    "unfinished continuation of nothing": [(CONTINUATION, b"b")],
    "text inside a fragmented message": [(TEXT, b"a"), (FIN | TEXT, b"b")],
    "binary inside a fragmented message": [(TEXT, b"a"), (BINARY, b"b")],
    **{
        f"reserved bit {bit:#x}": [(FIN | TEXT, b"a"), (FIN | bit | TEXT, b"b")]
        for bit in (0x10, 0x20, 0x40, 0x70)
    },
    "reserved bit of a ping": [(FIN | 0x40 | PING, b"")],
    "reserved bit of a continuation": [(TEXT, b"a"), (FIN | 0x20 | CONTINUATION, b"b")],
    **{f"opcode {opcode:#x}": [(FIN | opcode, b"")] for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "text beyond ASCII": [(FIN | TEXT, "κόσμε €𐍈".encode())],
    "a character split between fragments": [
        (TEXT, EURO_IN_BYTES[:1]),
        (FIN | CONTINUATION, EURO_IN_BYTES[1:]),
    ],
    "a character split by a ping": [
        (TEXT, EURO_IN_BYTES[:2]),
        (FIN | PING, b""),
        (FIN | CONTINUATION, EURO_IN_BYTES[2:]),
    ],
    "half a character": [(FIN | TEXT, b"ok"), (FIN | TEXT, EURO_IN_BYTES[:2])],
    "half a character over fragments": [
        (TEXT, b"ok" + EURO_IN_BYTES[:1]),
        (FIN | CONTINUATION, EURO_IN_BYTES[1:2]),
    ],
    "a wrong end of a split character": [(TEXT, EURO_IN_BYTES[:2]), (FIN | CONTINUATION, b"z")],
    "a lone surrogate": [(FIN | TEXT, b"\xed\xa0\x80")],
    "an overlong slash": [(FIN | TEXT, b"\xc0\xaf")],
    "beyond Unicode": [(FIN | TEXT, b"\xf4\x90\x80\x80")],
    "a long text that is not UTF-8": [(FIN | TEXT, b"a" * 200 + b"\xff")],
    "not UTF-8, but binary": [(FIN | BINARY, b"\xff\xfe")],
    "close without a code": [(FIN | CLOSE, b"")],
    "close of one byte": [(FIN | CLOSE, b"\x03")],
    "close of 126 bytes": [(FIN | CLOSE, b"\x03\xe8" + b"x" * 124)],
    "close with the longest reason": [(FIN | CLOSE, b"\x03\xe8" + b"x" * 123)],
    "close whose reason is not UTF-8": [(FIN | CLOSE, b"\x03\xe8\xff")],
    "messages after a close": [(FIN | CLOSE, b"\x03\xe9bye"), (FIN | TEXT, b"late"), (FIN | PING, b"late")],
    "messages after a violation": [(FIN | 0x40 | TEXT, b""), (FIN | TEXT, b"late")],
    **{
        f"close code {code}": [(FIN | CLOSE, code.to_bytes(2) + "größer".encode())]
        for code in (
            *(0, 999, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1011, 1012, 1013, 1014, 1015, 1016),
            *(1100, 2000, 2999, 3000, 3999, 4000, 4999, 5000, 65535),
        )
    },
}


@pytest.mark.parametrize("is_client", [True, False], ids=["client", "server"])
@pytest.mark.parametrize("deliver", [whole, byte_by_byte, in_random_pieces])
def test_every_case_is_read_as_websockets_reads_it(is_client: bool, deliver: Delivery) -> None:
    for name, frames in CASES.items():
        wire = b"".join(
            frame(first, payload, masked=not is_client, length_bytes=rest[0] if rest else None)
            for first, payload, *rest in frames
        )
        for trailing in (b"", frame(FIN | TEXT, b"trailing", masked=not is_client), b"\x81"):
            events = received(stream(is_client=is_client), deliver(wire + trailing))
            assert (name, plain(events)) == (name, what_websockets_says(wire + trailing, is_client=is_client))


@pytest.mark.parametrize("deliver", [whole, byte_by_byte])
def test_random_bytes_are_read_as_websockets_reads_them(deliver: Delivery) -> None:
    rng = Random(6455)
    # Mostly legal, or nearly every wire would end at once.
    firsts = (0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8A)
    rests = (b"\x00", b"\x02ab", b"\x03\xe2\x82\xac", b"\x01\xe2", b"\x7e\x00\x01a", b"\x7e")
    # websockets looks at whole frames only: this completes any frame, then breaks.
    end = b"\x83" * MAX_MESSAGE
    endings = set()
    for _ in range(2000):
        wire = b"".join(
            bytes([rng.choice((*firsts, rng.randrange(256)))]) + rng.choice((*rests, rng.randbytes(1)))
            for _ in range(8)
        )
        ours = plain(received(stream(), [*deliver(wire), end]))
        theirs = what_websockets_says(wire + end, is_client=True)
        if theirs[-1] == ("broken", 1009) and ours[-1] == ("broken", 1002):
            theirs[-1] = ours[-1]  # too big and wrong in another way: either may be said
        assert (wire, ours) == (wire, theirs)
        endings.add((ours[-1], len(ours)))
    assert len(endings) >= 10


@pytest.mark.parametrize(
    ("wire", "event"),
    [
        ("8105 48656c6c6f", Text("Hello")),
        ("0103 48656c 8002 6c6f", Text("Hello")),
        ("8203 00ff80", Binary(b"\x00\xff\x80")),
        ("8905 48656c6c6f", Ping(b"Hello")),
        ("8a05 48656c6c6f", Pong(b"Hello")),
        ("8800", CloseReceived(code=None, reason="")),
        ("8805 03e8 627965", CloseReceived(code=1000, reason="bye")),
    ],
)
def test_frames_of_the_standard_become_their_events(wire: str, event: FrameEvent) -> None:
    events = stream().receive_frames(bytes.fromhex(wire))
    assert (type(events[0]), events) == (type(event), [event])


def test_the_masked_hello_of_the_standard_is_read_by_a_server() -> None:
    wire = bytes.fromhex("8185 37fa213d 7f9f4d5158")
    assert stream(is_client=False).receive_frames(wire) == [Text("Hello")]


@pytest.mark.parametrize(
    ("wire", "kind", "close_code", "detail"),
    [
        ("c100", BrokenKind.RESERVED_BITS, 1002, "reserved bit"),
        ("8300", BrokenKind.BAD_OPCODE, 1002, "opcode 0x3"),
        ("8102 c328", BrokenKind.BAD_UTF8, 1007, "at byte 0"),
        ("827f 0000000005f5e100", BrokenKind.TOO_BIG, 1009, "at least 100000000 bytes, at most 70000"),
        ("827f ffffffffffffffff", BrokenKind.TOO_BIG, 1009, "at least 18446744073709551615 bytes"),
        ("8180 00000000", BrokenKind.BAD_MASK, 1002, "a masked frame from a server"),
        ("8801 03", BrokenKind.BAD_CLOSE, 1002, "one byte"),
        (
            "8804 03ee 6162",
            BrokenKind.BAD_CLOSE,
            1002,
            "close code 1006 must not be on the wire (reason 'ab')",
        ),
        ("8000", BrokenKind.FRAGMENTATION, 1002, "continuation of no message"),
        ("0100 8100", BrokenKind.FRAGMENTATION, 1002, "inside a fragmented one"),
        ("0900", BrokenKind.FRAGMENTATION, 1002, "control frame is fragmented"),
        ("897e 007e", BrokenKind.BAD_LENGTH, 1002, "announces 126 bytes"),
    ],
)
def test_each_violation_has_its_kind_close_code_and_words(
    wire: str, kind: BrokenKind, close_code: int, detail: str
) -> None:
    *before, broken = stream().receive_frames(bytes.fromhex(wire))
    assert isinstance(broken, Broken)
    assert (before, broken.kind, broken.close_code) == ([], kind, close_code)
    assert detail in broken.detail


def test_every_kind_of_violation_is_in_the_table_above() -> None:
    table = test_each_violation_has_its_kind_close_code_and_words.pytestmark[0].args[1]  # type: ignore[attr-defined]
    assert {row[1] for row in table} == set(BrokenKind)


def test_an_unmasked_frame_from_a_client_is_a_violation() -> None:
    (broken,) = stream(is_client=False).receive_frames(b"\x81\x00")
    assert broken == Broken(
        kind=BrokenKind.BAD_MASK, detail="an unmasked frame from a client", close_code=1002
    )


def test_a_close_between_fragments_is_a_close() -> None:
    wire = frame(TEXT, b"half") + frame(FIN | CLOSE, b"\x03\xe9")
    assert stream().receive_frames(wire) == [CloseReceived(code=1001, reason="")]


def test_the_message_limit_does_not_count_control_frames() -> None:
    wire = (
        frame(TEXT, b"abcd")
        + frame(FIN | PING, b"longer than what is left")
        + frame(FIN | CONTINUATION, b"e")
    )
    assert stream(max_message=5).receive_frames(wire) == [Ping(b"longer than what is left"), Text("abcde")]


def test_a_limit_below_125_holds_for_short_frames_too() -> None:
    events = stream(max_message=5).receive_frames(frame(FIN | TEXT, b"12345") + frame(FIN | TEXT, b"123456"))
    assert plain(events) == [("text", "12345"), ("broken", 1009)]


def test_events_before_a_violation_are_kept() -> None:
    wire = frame(FIN | TEXT, b"good") + frame(FIN | PING, b"p") + frame(FIN | TEXT, b"\xff")
    assert plain(stream().receive_frames(wire)) == [("text", "good"), ("ping", b"p"), ("broken", 1007)]


def test_a_frame_of_100_mb_is_refused_by_its_header_and_costs_no_memory() -> None:
    socket = stream(max_message=1_000_000)
    piece = bytes(100_000)
    tracemalloc.start()
    try:
        events = received(socket, [b"\x82\x7f", (100_000_000).to_bytes(8), *[piece] * 1000])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert plain(events) == [("broken", 1009)]
    assert peak < 20_000


def test_endless_empty_fragments_cost_no_memory() -> None:
    socket = stream()
    socket.receive_frames(frame(TEXT, b"x"))
    piece = frame(CONTINUATION) * 1000
    tracemalloc.start()
    try:
        for _ in range(20):
            socket.receive_frames(piece)
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert held < 2000


# Quadratic copying would take 100 times these bounds, linear work takes a tenth of them.


def test_a_large_message_in_small_reads_takes_linear_time() -> None:
    wire = frame(FIN | BINARY, bytes(4_000_000))
    socket = stream(max_message=5_000_000)
    began = process_time()
    events = received(socket, (wire[position : position + 100] for position in range(0, len(wire), 100)))
    assert process_time() - began < 1.0
    assert events == [Binary(bytes(4_000_000))]


def test_many_fragments_take_linear_time() -> None:
    wire = frame(BINARY) + frame(CONTINUATION, b"x" * 100) * 40_000 + frame(FIN | CONTINUATION)
    socket = stream(max_message=5_000_000)
    began = process_time()
    events = received(socket, (wire[position : position + 1000] for position in range(0, len(wire), 1000)))
    assert process_time() - began < 2.0
    assert events == [Binary(b"x" * 4_000_000)]


@pytest.mark.parametrize("is_client", [True, False], ids=["client", "server"])
def test_many_frames_in_one_read_take_linear_time(is_client: bool) -> None:
    wire = frame(FIN | TEXT, b"a tick", masked=not is_client) * 100_000
    socket = stream(is_client=is_client)
    socket.receive_frames(wire[:3])
    began = process_time()
    events = socket.receive_frames(wire[3:])
    assert process_time() - began < 2.0
    assert len(events) == 100_000


def test_what_we_send_is_what_the_standard_shows() -> None:
    server = stream(is_client=False)
    assert server.send_text("Hello") == bytes.fromhex("8105 48656c6c6f")
    assert server.send_binary(bytes(256)) == bytes.fromhex("827e 0100") + bytes(256)
    assert server.send_binary(bytes(65536)) == bytes.fromhex("827f 0000000000010000") + bytes(65536)
    assert server.send_ping(b"Hello") == bytes.fromhex("8905 48656c6c6f")
    assert server.send_pong(b"Hello") == bytes.fromhex("8a05 48656c6c6f")
    assert server.send_close(1000, "bye") == bytes.fromhex("8805 03e8 627965")
    assert server.send_close(None, "") == bytes.fromhex("8800")


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_what_a_client_sends_is_masked_and_read_by_websockets(size: int) -> None:
    client = stream()
    wire = client.send_binary(bytes(size)) + client.send_text("x" * size) + client.send_close(4001, "größer")
    expected = [("binary", bytes(size)), ("text", "x" * size), ("close", 4001, "größer")]
    assert what_websockets_says(wire, is_client=False) == expected


def test_masks_come_from_the_generator_and_differ() -> None:
    client, twin = stream(), stream()
    first, second = client.send_text("same"), client.send_text("same")
    assert first != second
    assert [first, second] == [twin.send_text("same"), twin.send_text("same")]


def test_a_control_payload_over_125_bytes_is_our_own_mistake() -> None:
    for send in (stream().send_ping, stream().send_pong):
        with pytest.raises(LocalProtocolError, match="at most 125 bytes, not 126"):
            send(bytes(126))
    with pytest.raises(LocalProtocolError, match="at most 125 bytes, not 126"):
        stream().send_close(1000, "x" * 124)


messages = st.one_of(
    st.builds(Text, st.text(max_size=300)),
    st.builds(Binary, st.binary(max_size=300)),
    st.builds(Ping, st.binary(max_size=125)),
    st.builds(Pong, st.binary(max_size=125)),
)


def sent(socket: FrameStream, message: FrameEvent) -> bytes:
    match message:
        case Text(text):
            return socket.send_text(text)
        case Binary(payload):
            return socket.send_binary(payload)
        case Ping(payload):
            return socket.send_ping(payload)
        case Pong(payload):
            return socket.send_pong(payload)
        case CloseReceived(code=code, reason=reason):
            return socket.send_close(code, reason)
        case Broken():
            raise AssertionError("a violation cannot be sent")


@given(there=st.lists(messages, max_size=6), back=st.lists(messages, max_size=6), cut=st.integers(1, 400))
@settings(max_examples=80, deadline=None)
def test_messages_survive_the_way_there_and_back(
    there: list[FrameEvent], back: list[FrameEvent], cut: int
) -> None:
    client, server = stream(), stream(is_client=False)
    goodbye = CloseReceived(code=1001, reason="so long")
    for sender, receiver, sending in (
        (client, server, [*there, goodbye]),
        (server, client, [*back, goodbye]),
    ):
        wire = b"".join(sent(sender, message) for message in sending)
        pieces = (wire[position : position + cut] for position in range(0, len(wire), cut))
        assert received(receiver, pieces) == sending
