"""Packets read leniently, in one piece of memory per connection, and written exactly."""

import itertools
import json
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.wire import socketio
from probe.wire.socketio import (
    MAX_DEPTH,
    MAX_UNSETTLED,
    Connected,
    ConnectRefused,
    Disconnected,
    EngineClose,
    EngineOpen,
    EnginePing,
    EnginePong,
    Malformed,
    Packet,
    SocketEvent,
    SocketIoReader,
    read_json,
    write_binary_event,
    write_event,
    write_json,
    write_open,
)

HOLDER = '{"_placeholder":true,"num":0}'
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def read(*messages: str | bytes) -> list[Packet | None]:
    reader = SocketIoReader()
    return [reader.read(message) for message in messages]


def header(name: str, attachments: int = 1) -> str:
    holders = "".join(f',{{"_placeholder":true,"num":{number}}}' for number in range(attachments))
    return f'45{attachments}-["{name}"{holders}]'


def events(*messages: str | bytes) -> list[tuple[str, list[object]]]:
    return [(p.name, list(p.arguments)) for p in read(*messages) if isinstance(p, SocketEvent)]


def problem(packet: Packet | None) -> str:
    assert isinstance(packet, Malformed)
    return packet.problem


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


# -- one message, one packet -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "packet"),
    [
        (
            '0{"sid":"Qn2Y","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}',
            EngineOpen("Qn2Y", 25.0, 20.0, 1_000_000),
        ),
        ('0{"sid":"Qn2Y"}', EngineOpen("Qn2Y", 25.0, 20.0, None)),
        ('0 { "sid" : "x", "pingInterval" : 500 } ', EngineOpen("x", 1.0, 20.0, None)),
        ('0{"sid":"x","pingInterval":1e999,"pingTimeout":-7}', EngineOpen("x", 600.0, 1.0, None)),
        ('0{"sid":"x","pingInterval":true,"pingTimeout":"20"}', EngineOpen("x", 25.0, 20.0, None)),
        ('0{"sid":"x","maxPayload":true}', EngineOpen("x", 25.0, 20.0, None)),
        ("1", EngineClose()),
        ("2", EnginePing("")),
        ("2probe", EnginePing("probe")),
        ("3", EnginePong("")),
        ("3probe", EnginePong("probe")),
        ("40", Connected("/", None)),
        ("40{}", Connected("/", None)),
        ("40/", Connected("/", None)),
        ("40/,{}", Connected("/", None)),
        ('40{"sid":"abc"}', Connected("/", "abc")),
        ('40/,{"sid":"abc"}', Connected("/", "abc")),
        ('40 {"sid": "abc"} ', Connected("/", "abc")),
        ('40/chat,{"sid":"abc"}', Connected("/chat", "abc")),
        ("40/chat", Connected("/chat", None)),
        ('40{"sid":7}', Connected("/", None)),
        ("41", Disconnected("/")),
        ("41 ", Disconnected("/")),
        ("41/chat,", Disconnected("/chat")),
        ('42["ps"]', SocketEvent("ps", [])),
        ('42["a",1,null]', SocketEvent("a", [1, None])),
        ('42[ "changeSymbol" , { "asset":"EURUSD_otc" } ]', SocketEvent("changeSymbol", [{"asset": "EURUSD_otc"}])),
        ('42 ["a"]', SocketEvent("a", [])),
        ('42\n["a"]\n', SocketEvent("a", [])),
        ('4217["a"]', SocketEvent("a", [])),
        ('42 17 ["a"]', SocketEvent("a", [])),
        ('42/chat,["a"]', SocketEvent("a", [], "/chat")),
        ('42/chat,17["a",2]', SocketEvent("a", [2], "/chat")),
        ('44{"message":"Invalid namespace"}', ConnectRefused("/", "Invalid namespace")),
        ('44"no"', ConnectRefused("/", "no")),
        ("44no", ConnectRefused("/", "no")),
        ("44", ConnectRefused("/", "")),
        ('44/chat,{"message":"no"}', ConnectRefused("/chat", "no")),
        ('44{"message":7}', ConnectRefused("/", '{"message":7}')),
        ('450-["a",[1]]', SocketEvent("a", ([1],))),
    ],
)  # fmt: skip
def test_a_text_message_is_read_as_its_packet(text: str, packet: Packet) -> None:
    assert read(text) == [packet]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not an Engine.IO packet"),
        ("5", "not an Engine.IO packet"),
        ("1x", "not an Engine.IO packet"),
        ("hello", "not an Engine.IO packet"),
        ("\ufeff42", "not an Engine.IO packet"),
        ("0", "a greeting that is not JSON"),
        ("0{}", "a greeting without a session id"),
        ("0[]", "a greeting without a session id"),
        ("4", "not a Socket.IO packet"),
        ("46-[]", "not a Socket.IO packet"),
        ("410 Gone", "not a Socket.IO packet"),
        ("40x", "a namespace reply that is not JSON"),
        ("430[]", "an acknowledgement nobody asked for"),
        ("42", "an event that is not JSON"),
        ("42/chat", "an event that is not JSON"),
        ('42["a"', "an event that is not JSON"),
        ('42["a"]]', "an event that is not JSON"),
        ('42["a"]\f', "an event that is not JSON"),  # white space, but not to JSON
        ('42["a",NaN]', "an event that is not JSON: NaN is not JSON"),
        ('42["a",-Infinity]', "an event that is not JSON: -Infinity is not JSON"),
        ("42{}", "an event without a name"),
        ("42[]", "an event without a name"),
        ("42[1]", "an event without a name"),
        ("42null", "an event without a name"),
        ("45", "a binary event without its number of attachments"),
        ('45-["a"]', "a binary event without its number of attachments"),
        ("45x-[]", "a binary event without its number of attachments"),
        ('45٣-["a"]', "a binary event without its number of attachments"),
        ('4517-["a"]', "a binary event with more attachments than anybody sends"),
        ("45" + "9" * 5000, "a binary event with a header of 5002 characters"),
        ("45" + "1" * 3000 + '-["a"]', "a binary event with more attachments than anybody sends"),
        ("451-", "a binary event whose header is not JSON"),
        ('451-["a"', "a binary event whose header is not JSON"),
        ("451-{}", "a binary event without a name"),
        ("451-[7]", "a binary event without a name"),
    ],
)  # fmt: skip
def test_a_text_message_that_is_no_packet_is_malformed(text: str, said: str) -> None:
    (packet,) = read(text)
    assert problem(packet)[: len(said)] == said


def test_a_400_digit_number_is_read_and_a_5000_digit_number_is_malformed() -> None:
    assert events(f'42["a",{"9" * 400}]') == [("a", [10**400 - 1])]
    assert "Exceeds the limit" in problem(read(f'42["a",{"9" * 5000}]')[0])


def test_half_a_surrogate_pair_becomes_a_question_mark_and_a_whole_pair_stays() -> None:
    assert events(r'42["a","\ud83d\ude00 \ud83d \uDE00x"]') == [("a", ["😀 ? ?x"])]
    assert events(header("a"), rb'{"\uDBFF":["\ud800"]}') == [("a", [{"?": ["?"]}])]


def test_an_escaped_backslash_in_front_of_ud800_is_no_surrogate() -> None:
    assert events(r'42["a","\\ud800"]') == [("a", [r"\ud800"])]


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 300, 900, 980, 990, 1000, 100_000])
@pytest.mark.parametrize("wrap", ["42{}", "450-{}", "0{}", "40{}"])
def test_deep_nesting_is_malformed_and_no_recursion_error(depth: int, wrap: str) -> None:
    (packet,) = read(wrap.format(nested(depth)))
    assert isinstance(packet, Malformed)


def test_the_deepest_nesting_allowed_is_read() -> None:
    assert write_json(read_json(nested(MAX_DEPTH))) == nested(MAX_DEPTH)
    with pytest.raises(ValueError, match="nested too deeply"):
        read_json(nested(MAX_DEPTH + 1))


@pytest.mark.parametrize(
    "value", [[nested(1000), "{" * 1000], ["]"] * 100 + ["["] * 100, ['"[', "\\["] * 100]
)
def test_brackets_in_a_string_are_no_nesting(value: object) -> None:
    assert read_json(write_json(value)) == value


@pytest.mark.parametrize("quote", ["", '\\"', "\\\\"])
@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 500])
def test_brackets_in_strings_hide_no_nesting(depth: int, quote: str) -> None:
    for opening, closing in ("[]", "{}"):
        hidden = f'["{quote}{closing}{quote}",' * depth + "0" + f',"{quote}{opening}{quote}"]' * depth
        with pytest.raises(ValueError, match="nested too deeply"):
            read_json(hidden)


# -- headers and attachments -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        f'451-["a",{HOLDER}]',
        '451-["a", {"_placeholder": true, "num": 0}]',
        f'451- ["a",{HOLDER}]',
        f'451-/chat,["a",{HOLDER}]',
        f'451-17["a",{HOLDER}]',
        f'451-/chat,17["a",{HOLDER}]',
        f'4501-["a",{HOLDER}]',
    ],
)
def test_a_header_waits_for_its_attachment(text: str) -> None:
    namespace = "/chat" if "/chat" in text else "/"
    assert read(text, b"[1]") == [None, SocketEvent("a", ([1],), namespace)]


def test_the_leading_4_of_engine_io_3_is_dropped() -> None:
    assert events(header("a"), b"\x04[1]") == [("a", [[1]])]


def test_an_attachment_belongs_to_its_header_although_other_packets_and_headers_come_between() -> None:
    told = read(
        header("a"), "2", header("b"), '42["ps"]', b"1", "41", header("c"), b"2", "not a packet", b"3"
    )
    assert [p for p in told if isinstance(p, SocketEvent)] == [
        SocketEvent("ps", []),
        SocketEvent("a", (1,)),
        SocketEvent("b", (2,)),
        SocketEvent("c", (3,)),
    ]


def test_several_attachments_go_where_their_placeholders_are() -> None:
    text = '453-["a",{"x":[{"_placeholder":true,"num":2}]},7,{"_placeholder":true,"num":0}]'
    assert read(text, b'"zero"', "2", b'"one"', b'"two"') == [
        None,
        None,
        EnginePing(""),
        None,
        SocketEvent("a", [{"x": ["two"]}, 7, "zero"]),
    ]


@pytest.mark.parametrize("number", ["5", "-1", "1.0", '"0"', "null", "99999999999999999999"])
def test_a_placeholder_for_an_attachment_that_is_not_there_is_never_an_exception(number: str) -> None:
    told = events(f'451-["a",{{"_placeholder":true,"num":{number}}}]', b"[1]")
    assert [name for name, _ in told] == ["a"]


def test_an_attachment_that_no_placeholder_names_completes_its_event() -> None:
    assert events('451-["a"]', b"[1]") == [("a", [])]


def test_an_orphan_is_malformed_and_shows_its_beginning() -> None:
    assert read(b"\xff[1]") == [Malformed("a binary message that no header announced", "\\xff[1]")]


@pytest.mark.parametrize("data", [b"", b"\xff", b"\x04", b"[1", b"NaN", b"\x04\x04[1]", b"1 2", b"9" * 5000])
def test_an_attachment_that_is_not_json_costs_its_event_and_no_other(data: bytes) -> None:
    broken, after = read(header("a"), header("b"), data, b"[2]")[2:]
    assert problem(broken).startswith("the attachment of 'a' is not JSON: ")
    assert after == SocketEvent("b", ([2],))


def test_one_broken_attachment_of_several_costs_its_event_and_no_other() -> None:
    told = read(header("a", 2), header("b"), b"\xff", b"1", b"2")
    assert [type(packet) for packet in told[2:]] == [type(None), Malformed, SocketEvent]
    assert told[-1] == SocketEvent("b", (2,))


LOST = "attachments were lost, and later ones may have gone to the wrong event"


def test_headers_whose_attachments_never_come_are_given_up_together() -> None:
    told = read(*(header(f"e{number}") for number in range(MAX_UNSETTLED + 1)), b"1")
    assert [packet for packet in told if packet is not None] == [
        Malformed(LOST, "e0"),
        SocketEvent(f"e{MAX_UNSETTLED}", (1,)),
    ]


def test_after_a_lost_attachment_events_find_their_own_again() -> None:
    stream = [message for number in range(40) for message in (header(f"e{number}"), b"%d" % number)]
    told = [packet for packet in read(header("lost"), *stream) if packet is not None]
    assert told.count(Malformed(LOST, f"e{MAX_UNSETTLED - 2}")) == 1
    after = told[told.index(Malformed(LOST, f"e{MAX_UNSETTLED - 2}")) + 1 :]
    assert after == [SocketEvent(f"e{n}", (n,)) for n in range(MAX_UNSETTLED - 1, 40)]


def test_what_was_attached_to_a_header_given_up_is_not_given_to_the_next() -> None:
    messages: list[str | bytes] = [
        header("half", 2),
        b'"lost"',
        *(header(f"e{n}") for n in range(MAX_UNSETTLED)),
    ]
    assert read(*messages, b"1")[-1] == SocketEvent(f"e{MAX_UNSETTLED - 1}", (1,))


def test_attachments_of_one_event_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socketio, "MAX_ATTACHED", 10)
    told = read(header("a", 3), header("b"), b'"123456"', b'"789"', b"2")
    assert told == [
        None,
        None,
        None,
        Malformed("more than 10 bytes in one event", "a"),
        SocketEvent("b", (2,)),
    ]


def test_two_events_of_the_same_header_do_not_share_their_arguments() -> None:
    reader, text = SocketIoReader(), f'451-["a",{HOLDER},{{"_placeholder":true,"num":0}}]'
    first, second = ([reader.read(text), reader.read(data)][1] for data in (b"[1]", b"[2]"))
    assert (first, second) == (SocketEvent("a", [[1], [1]]), SocketEvent("a", [[2], [2]]))


# -- round trips -------------------------------------------------------------------------------------------------------


@given(TEXTS, st.lists(JSON, max_size=3))
def test_an_event_is_read_as_it_was_written(name: str, arguments: list[object]) -> None:
    assert events(write_event(name, *arguments)) == [(name, arguments)]


@given(st.lists(st.tuples(st.sampled_from("abc"), JSON), min_size=1, max_size=6), st.booleans())
def test_binary_events_are_read_as_they_were_written_in_pairs_or_headers_first(
    written: list[tuple[str, object]], in_pairs: bool
) -> None:
    pairs = [write_binary_event(name, payload) for name, payload in written]
    headers, attachments = ([pair[at] for pair in pairs] for at in (0, 1))
    messages = list(itertools.chain.from_iterable(pairs)) if in_pairs else [*headers, *attachments]
    assert events(*messages) == [(name, [payload]) for name, payload in written]


@given(TEXTS, st.integers(1000, 600_000), st.integers(1000, 600_000), st.none() | st.integers(0, 2**40))
def test_a_greeting_is_read_as_it_was_written(
    sid: str, interval: int, timeout: int, payload: int | None
) -> None:
    terms = (sid, interval / 1000, timeout / 1000, payload)
    assert read(write_open(*terms)) == [EngineOpen(*terms)]


@given(JSON)
def test_json_is_read_as_the_standard_library_reads_it(value: object) -> None:
    for text in (write_json(value), f" {json.dumps(value)}\n"):
        assert read_json(text) == value


@given(
    st.lists(
        st.binary(max_size=40) | st.text(max_size=40).map(lambda rest: "45" + rest) | st.text(max_size=40)
    )
)
def test_no_message_raises(messages: list[str | bytes]) -> None:
    for packet in read(*messages):
        assert packet is None or isinstance(packet, Packet)


# -- time and memory ---------------------------------------------------------------------------------------------------


def hostile(size: int) -> Iterator[list[str | bytes]]:
    yield ["42" + "1" * size]
    yield ["42" + " 1" * (size // 2)]
    yield ["42/" + "a" * size]
    yield ['42["' + '\\"' * (size // 2)]
    yield ['42["a",0.' + "1" * size + "]"]
    yield ['42["a","' + "\\ud800" * (size // 6) + '"]']
    yield ['42["a"' + ",[]" * (size // 3) + "]"]
    yield ['42["a"]' + " " * size + "x"]
    yield ["40" + " " * size]
    yield ["44" + "x" * size]
    yield ["45" + "1" * size]
    yield ["451-" + "1" * size]
    yield ["\ufffd" * size]
    yield [header("a")] * (size // 40)
    yield [header("a", 16)] * (size // 400)
    yield [header("a"), b"[" * size]
    yield [header("a"), b"\xff" * size]
    yield [b"x"] * (size // 20)


@pytest.mark.parametrize("number", range(len(list(hostile(0)))))
def test_a_megabyte_of_anything_is_read_in_linear_time(number: int) -> None:
    def cost(size: int) -> float:
        messages = list(hostile(size))[number]
        started = time.process_time()
        read(*messages)
        return time.process_time() - started

    assert cost(1_000_000) < 3  # quadratic would be minutes


def test_sixteen_megabytes_of_digits_are_skipped_and_not_walked_through() -> None:
    text = "42" + "1" * 16_000_000
    started = time.process_time()
    read(text)
    assert time.process_time() - started < 1.5  # sign by sign it was 3.7 s


def test_the_header_cache_holds_short_texts_only() -> None:
    before = socketio._read_header.cache_info().currsize
    read(f'451-["{"a" * 200}",{HOLDER}]')
    assert socketio._read_header.cache_info().currsize == before


def test_a_preview_is_short_whatever_came() -> None:
    for message in ("x" * 10_000, "42" + "x" * 10_000, '451-["' + "x" * 10_000, b"x" * 10_000):
        (packet,) = read(message)
        assert isinstance(packet, Malformed)
        assert (len(packet.preview) <= 160, len(packet.problem) < 160) == (True, True)
