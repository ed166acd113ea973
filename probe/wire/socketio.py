"""Engine.IO 3 and 4 packets and the Socket.IO packets inside them, read leniently and written exactly.

A reader has memory, because a `45N-` header announces attachments that come as later binary messages, and other
packets may come between. Headers therefore wait in a queue; an attachment always belongs to the oldest that waits.
"""

import json
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, NoReturn

# Headers may come in a row, but at some time all attachments must have: else one was lost, and every later one would be
# charged to the event before its own.
MAX_UNSETTLED = 16
MAX_HEADER = 4096  # characters; real ones have some fifty
MAX_ATTACHMENTS = 16
MAX_ATTACHED = 16 * 1024 * 1024  # bytes of one event
MAX_DEPTH = 32  # far from the interpreter's limit, so that whatever walks a payload later is safe as well
PREVIEW = 160

# How headers and attachments can fail to come together.
UNANNOUNCED = "a binary message that no header announced"
LOST = "attachments were lost, and later ones may have gone to the wrong event"
OVERTAKEN = "an event's attachment did not come before the next event"


class EngineOpen(NamedTuple):
    sid: str
    ping_interval: float  # seconds
    ping_timeout: float
    max_payload: int | None


class EngineClose(NamedTuple):
    pass


class EnginePing(NamedTuple):
    payload: str


class EnginePong(NamedTuple):
    payload: str


class Connected(NamedTuple):
    namespace: str
    sid: str | None


class Disconnected(NamedTuple):
    namespace: str


class ConnectRefused(NamedTuple):
    namespace: str
    message: str


class SocketEvent(NamedTuple):
    name: str
    arguments: Sequence[object]
    namespace: str = "/"


class Malformed(NamedTuple):
    problem: str
    preview: str


Packet = (
    EngineOpen
    | EngineClose
    | EnginePing
    | EnginePong
    | Connected
    | Disconnected
    | ConnectRefused
    | SocketEvent
    | Malformed
)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_decoder = json.JSONDecoder(parse_constant=_refuse_constant)
_scan: Callable[[str, int], tuple[object, int]] = vars(_decoder)[
    "scan_once"
]  # half the cost of json.loads: no encoding guess, no white-space search


_new = tuple.__new__  # half the cost of a named tuple's own, which is a Python function


def read_json(text: str, start: int = 0) -> object:
    """Parse one JSON value, which begins at `start`.

    Half a surrogate pair, which JSON can write and UTF-8 cannot, becomes a question mark.

    Raises:
        ValueError: for anything else, nesting deeper than `MAX_DEPTH` included.
    """
    try:
        try:
            value, end = _scan(text, start)
        except StopIteration:  # white space in front, or truly broken
            value, end = _decoder.decode(text[start:]), len(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    size = len(text)
    if end != size and text[end:].strip(" \t\n\r"):
        raise ValueError(f"unexpected characters after position {end}")
    if size > 2 * MAX_DEPTH and _may_be_deep(text) and _is_deep(value):
        raise ValueError("nested too deeply")
    if "\\" in text and _SURROGATE.search(text):
        value = json.loads(write_json(value).encode(errors="replace"))
    return value


_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


_ALL_BUT_SHAPE = bytes(set(range(256)) - set(b'[]{}"'))


def _may_be_deep(text: str) -> bool:
    """A quick look at brackets and quotes alone: a login brings 80 KiB that are not deep.

    Pairs of quotes go first; one that stays keeps a bracket inside of a text from matching one outside.
    """
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    if "\\" in text:  # perhaps an escaped quote
        return True
    left = text.encode(errors="replace").translate(None, _ALL_BUT_SHAPE).replace(b'""', b"")
    for _ in range(MAX_DEPTH // 2):  # each turn takes away one or two levels
        left = left.replace(b"[]", b"").replace(b"{}", b"")
        if not left:
            return False
    return True


def _is_deep(value: object) -> bool:
    level: list[Any] = [[value]]
    for _ in range(MAX_DEPTH + 1):
        level = [
            item
            for outer in level
            for item in (outer if type(outer) is list else outer.values())
            if type(item) is list or type(item) is dict
        ]
        if not level:
            return False
    return True


def write_json(value: object) -> str:
    """Compact, the way brokers write it: some clients compare text."""
    return _encode(value)


class _Header(NamedTuple):
    name: str
    arguments: tuple[object, ...]
    attachments: int
    lone: bool  # the only argument is the first attachment: the usual case
    namespace: str


@lru_cache(maxsize=512)
def _read_header(text: str) -> _Header | Malformed:
    """`451-["event",{"_placeholder":true,"num":0}]`; the same few texts come thousands of times."""
    digits, dash, rest = text[2:].partition("-")
    if not dash or not (digits.isascii() and digits.isdecimal()):
        return Malformed("a binary event without its number of attachments", text[:PREVIEW])
    if len(digits) > 3 or int(digits) > MAX_ATTACHMENTS:
        return Malformed("a binary event with more attachments than anybody sends", text[:PREVIEW])
    namespace, start = _namespace_end(rest)
    try:
        value = read_json(rest[start:].lstrip("0123456789"))
    except ValueError as problem:
        return Malformed(f"a binary event whose header is not JSON: {problem}", text[:PREVIEW])
    if not isinstance(value, list) or not value or not isinstance(value[0], str):
        return Malformed("a binary event without a name", text[:PREVIEW])
    arguments = tuple(value[1:])
    lone = int(digits) == 1 and len(arguments) == 1 and _placeholder(arguments[0]) == 0
    return _Header(value[0], arguments, int(digits), lone, namespace)


def _placeholder(value: object) -> int | None:
    if isinstance(value, dict) and value.get("_placeholder") is True:
        number = value.get("num")
        if isinstance(number, int) and number >= 0:
            return number
    return None


def _fill(value: object, attachments: Sequence[object], depth: int = 0) -> object:
    """Put attachments where their placeholders are."""
    number = _placeholder(value)
    if number is not None:
        return attachments[number] if number < len(attachments) else None
    if depth > 8:
        return value
    if isinstance(value, list):
        return [_fill(item, attachments, depth + 1) for item in value]
    if isinstance(value, dict):
        return {key: _fill(item, attachments, depth + 1) for key, item in value.items()}
    return value


def _namespace_end(rest: str) -> tuple[str, int]:
    """The namespace in front of a payload (`/chat,…`) and where the payload begins."""
    if not rest.startswith("/"):
        return "/", 0
    comma = rest.find(",")
    return (rest[:comma], comma + 1) if comma >= 0 else (rest, len(rest))


class SocketIoReader:
    """Turns WebSocket messages into packets. One per connection.

    Args:
        one_at_a_time: A header whose attachment did not come before the next header is forgotten, as Socket.IO 2 does;
            later versions never send one before the other's attachments, but what stands between may delay them.
    """

    __slots__ = ("_attachments", "_one_at_a_time", "_unsettled", "_waiting")

    def __init__(self, *, one_at_a_time: bool = False) -> None:
        self._one_at_a_time = one_at_a_time
        self._waiting: list[_Header] = []
        self._unsettled = 0  # headers since none was waiting
        self._attachments: list[bytes] = []  # of the oldest waiting header

    def read(self, message: str | bytes) -> Packet | None:
        """The packet a message completes; None: a header that waits for its attachments."""
        if isinstance(message, bytes):
            return self._attachment(message)
        if message[:3] == "42[" and len(message) <= 2 * MAX_DEPTH + 2 and "\\" not in message:
            # Nearly all: too short to be deep, and nothing in it wants a second look.
            try:
                value, end = _scan(message, 2)
            except (ValueError, StopIteration):
                pass  # complained of below
            else:
                if end == len(message) and type(value) is list and value and type(value[0]) is str:
                    return _new(SocketEvent, (value.pop(0), value, "/"))
        if message.startswith("42"):
            return _read_event(message)
        if message.startswith("45"):
            return self._header(message)
        return read_text_packet(message)

    def _header(self, text: str) -> Packet | None:
        if len(text) > MAX_HEADER:
            return Malformed(f"a binary event with a header of {len(text)} characters", text[:PREVIEW])
        header = _read_header(text) if len(text) <= PREVIEW else _read_header.__wrapped__(text)
        if isinstance(header, Malformed):
            return header
        if header.attachments == 0:
            return SocketEvent(header.name, header.arguments, header.namespace)
        self._unsettled = self._unsettled + 1 if self._waiting else 0
        self._waiting.append(header)
        if self._unsettled < (1 if self._one_at_a_time else MAX_UNSETTLED):
            return None
        lost = self._waiting[0]
        self._waiting = [header]
        self._attachments = []
        self._unsettled = 0
        return Malformed(OVERTAKEN if self._one_at_a_time else LOST, lost.name[:PREVIEW])

    def _attachment(self, data: bytes) -> Packet | None:
        if not self._waiting:
            return Malformed(UNANNOUNCED, preview(data))
        header = self._waiting[0]
        try:
            if header.lone:
                self._waiting.pop(0)
                value = _read_attachment(data)
                return _new(SocketEvent, (header.name, (value,), header.namespace))
            self._attachments.append(data)
            if sum(map(len, self._attachments)) > MAX_ATTACHED:
                self._drop_oldest()
                return Malformed(f"more than {MAX_ATTACHED} bytes in one event", header.name[:PREVIEW])
            if len(self._attachments) < header.attachments:
                return None
            attachments = self._attachments
            self._drop_oldest()
            values = [_read_attachment(attachment) for attachment in attachments]
        except ValueError as problem:  # UnicodeDecodeError is one
            return Malformed(f"the attachment of {quoted(header.name)} is not JSON: {problem}", preview(data))
        filled = [_fill(argument, values) for argument in header.arguments]
        return SocketEvent(header.name, filled, header.namespace)

    def _drop_oldest(self) -> None:
        self._waiting.pop(0)
        self._attachments = []


def _read_attachment(data: bytes) -> object:
    # Engine.IO 3 marks binary messages with a leading 4; version 4 does not, but some senders still do
    return read_json((data[1:] if data[:1] == b"\x04" else data).decode())


def read_text_packet(text: str) -> Packet:
    """One text message that needs no memory."""
    if text.startswith("42"):
        return _read_event(text)
    kind = text[:1]
    if kind == "4":
        return _read_socket_packet(text)
    if kind == "2":
        return EnginePing(text[1:])
    if kind == "3":
        return EnginePong(text[1:])
    if kind == "0":
        return _read_open(text)
    if text == "1":
        return EngineClose()
    return Malformed("not an Engine.IO packet", text[:PREVIEW])


def _read_open(text: str) -> Packet:
    try:
        value = read_json(text[1:])
    except ValueError as problem:
        return Malformed(f"a greeting that is not JSON: {problem}", text[:PREVIEW])
    if not isinstance(value, dict) or not isinstance(value.get("sid"), str):
        return Malformed("a greeting without a session id", text[:PREVIEW])
    payload = value.get("maxPayload")
    return EngineOpen(
        value["sid"],
        _milliseconds(value.get("pingInterval"), 25.0),
        _milliseconds(value.get("pingTimeout"), 20.0),
        payload if type(payload) is int else None,
    )


def _milliseconds(value: object, default: float) -> float:
    """Seconds, kept to what a heartbeat can sensibly be: a server's nonsense must not become a busy loop."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return default
    return min(max(value, 1000), 600_000) / 1000


def _read_socket_packet(text: str) -> Packet:
    kind, rest = text[1:2], text[2:]
    namespace, start = _namespace_end(rest)
    payload = rest[start:]
    if kind == "0":
        sid = None
        if payload.strip():
            try:
                value = read_json(payload)
            except ValueError:
                return Malformed("a namespace reply that is not JSON", text[:PREVIEW])
            if isinstance(value, dict) and isinstance(value.get("sid"), str):
                sid = value["sid"]
        return Connected(namespace, sid)
    if kind == "1" and not payload.strip():
        return Disconnected(namespace)
    if kind == "4":
        return ConnectRefused(namespace, _refusal_text(payload))
    if kind == "3":
        return Malformed("an acknowledgement nobody asked for", text[:PREVIEW])
    return Malformed("not a Socket.IO packet", text[:PREVIEW])


def _refusal_text(payload: str) -> str:
    try:
        value = read_json(payload)
    except ValueError:
        return payload[:PREVIEW]
    if isinstance(value, dict) and isinstance(value.get("message"), str):
        value = value["message"]
    return value[:PREVIEW] if isinstance(value, str) else payload[:PREVIEW]


def _read_event(text: str) -> Packet:
    start, namespace = 2, "/"
    if text[2:3] != "[":
        rest = text[2:]
        namespace, start = _namespace_end(rest)
        start += 2
        if text[start : start + 1] != "[":  # an acknowledgement id
            start = len(text) - len(text[start:].lstrip("0123456789 "))
    try:
        value = read_json(text, start)
    except ValueError as problem:
        return Malformed(f"an event that is not JSON: {problem}", text[:PREVIEW])
    if type(value) is not list or not value or type(value[0]) is not str:
        return Malformed("an event without a name", text[:PREVIEW])
    return _new(SocketEvent, (value[0], value[1:], namespace))


def preview(message: str | bytes) -> str:
    beginning = message[:PREVIEW]
    return beginning if isinstance(beginning, str) else beginning.decode("utf-8", "backslashreplace")


def quoted(text: str) -> str:
    """A peer's text inside a sentence: whole or not at all, because a secret that was cut cannot be recognised."""
    return repr(text) if len(text) <= 60 else f"a text of {len(text)} characters"


def write_open(sid: str, ping_interval: float, ping_timeout: float, max_payload: int | None) -> str:
    terms: dict[str, object] = {
        "sid": sid,
        "upgrades": [],
        "pingInterval": round(ping_interval * 1000),
        "pingTimeout": round(ping_timeout * 1000),
    }
    if max_payload is not None:
        terms["maxPayload"] = max_payload
    return "0" + write_json(terms)


@lru_cache(maxsize=256)
def write_bare_event(name: str) -> str:
    """One without arguments, as many questions and heartbeats are."""
    return write_event(name)


def write_event(name: str, *arguments: object) -> str:
    return "42" + write_json([name, *arguments])


def write_binary_event(name: str, payload: object, *, marker: bytes = b"") -> list[str | bytes]:
    """A header and its attachment. `marker` is Engine.IO 3's leading byte."""
    header = f'451-["{name}",{{"_placeholder":true,"num":0}}]'
    return [header, marker + write_json(payload).encode()]
