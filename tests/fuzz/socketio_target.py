"""The Socket.IO reader under any messages: a packet or a complaint, never an exception, and the events that JSON says."""

import json
from typing import NoReturn

from probe.session.codec import Message
from probe.wire.socketio import (
    MAX_UNSETTLED,
    PREVIEW,
    Malformed,
    Packet,
    SocketEvent,
    SocketIoReader,
    write_event,
)
from tests.fuzz.messages import PACKETS, joined, split

_HEADER = '451-["%s",{"_placeholder":true,"num":0}]'

_SAID: list[list[Message]] = [
    ['0{"sid":"Qn2Y","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}', "40", "2"],
    ['40{"sid":"k3Vn"}', "3", "41", "1"],
    ['40/,{"sid":"k3Vn"}', "41/chat,", '44/chat,{"message":"Invalid namespace"}', "2probe", "3probe"],
    ['42["ps"]', '42["a",{"b":[1,2.5,null,true,"\\u00e9\\ud83d\\ude00"]}]', '42/chat,17["a"]', "43[1]"],
    ['42["a",NaN]', '42["a",-Infinity]', '42["a",1e999]', '42["a"]\f', '42["a",' + "[" * 40 + "]" * 41],
    [_HEADER % "a", b'{"x":[1]}', _HEADER % "b", "2", _HEADER % "c", b"[2]", b"\x04[3]", b"orphan"],
    ['452-["a",{"_placeholder":true,"num":1},{"x":{"_placeholder":true,"num":0}}]', b"1", "2", b"2"],
    ['450-["a",1]', '451-/chat,17["a",{"_placeholder":true,"num":0}]', b"[]"],
    [*([_HEADER % "late"] * (MAX_UNSETTLED + 1)), b"1"],
]  # fmt: skip
SEEDS: list[bytes] = [joined(messages) for messages in _SAID]
DICTIONARY = PACKETS


def run(data: bytes) -> None:
    reader = SocketIoReader()
    for message in split(data):
        packet = reader.read(message)
        assert packet is None or isinstance(packet, Packet)
        if isinstance(packet, Malformed):
            assert len(packet.preview) <= 4 * PREVIEW  # \xff is one byte and four characters
            assert len(packet.problem) < 200
        elif isinstance(packet, SocketEvent):
            write_event(packet.name, *packet.arguments).encode()
            repr(packet)
        assert len(reader._waiting) <= MAX_UNSETTLED
        if isinstance(message, str) and message.startswith("42["):
            _compare(message, packet)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _compare(message: str, packet: Packet | None) -> None:
    """With what the standard library reads, where its limits and ours are the same."""
    if message.count("[") + message.count("{") > 32 or "\\u" in message:
        return
    try:
        value = json.loads(message[2:], parse_constant=_refuse)
    except ValueError:
        value = None
    if isinstance(value, list) and value and isinstance(value[0], str):
        assert packet == SocketEvent(value[0], value[1:])
    else:
        assert isinstance(packet, Malformed)
