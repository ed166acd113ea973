"""WebSocket frames of an open connection: bytes in, messages out, and messages in, bytes out.

This is the hot path of a monitor and of a load generator, so it is ours: no generator and no object per frame. A read
that holds whole, short, unfragmented frames (nearly every read of a tick stream) is cut up without being copied into a
buffer. What is left of a read is held until the length that its header announces is there, so that neither a large
message in small reads nor many frames in one read costs more than linear time.

No extension is ever agreed upon (some edges drop compressed sockets), hence reserved bits must be zero.
"""

import random
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from probe.model.errors import LocalProtocolError

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform without the compiled wheel
    from websockets.utils import apply_mask

_FIN = 0x80
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_WHOLE_TEXT, _WHOLE_BINARY = _FIN | _TEXT, _FIN | _BINARY
_MASKED = 0x80
_MAX_CONTROL_PAYLOAD = 125
# What may be on the wire: RFC 6455 section 7.4, and 1012 to 1014 from the registry it founded.
_CLOSE_CODES = (range(1000, 1004), range(1007, 1015), range(3000, 5000))


_new = tuple.__new__  # half the cost of a named tuple's own, which is a Python function


class Text(NamedTuple):
    text: str


class Binary(NamedTuple):
    payload: bytes


@dataclass(frozen=True, slots=True)
class Ping:
    payload: bytes


@dataclass(frozen=True, slots=True)
class Pong:
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseReceived:
    """The peer's close frame; everything it sends afterwards is ignored."""

    code: int | None
    reason: str


class BrokenKind(Enum):
    RESERVED_BITS = "reserved_bits"
    BAD_OPCODE = "bad_opcode"
    BAD_UTF8 = "bad_utf8"
    TOO_BIG = "too_big"
    BAD_MASK = "bad_mask"
    BAD_CLOSE = "bad_close"
    FRAGMENTATION = "fragmentation"
    BAD_LENGTH = "bad_length"


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """The peer broke RFC 6455; everything it sends afterwards is ignored."""

    kind: BrokenKind
    detail: str
    close_code: int  # what to send back


FrameEvent = Text | Binary | Ping | Pong | CloseReceived | Broken


class _Violation(Exception):
    def __init__(self, kind: BrokenKind, detail: str, close_code: int = 1002) -> None:
        super().__init__(detail)
        self.broken = Broken(kind=kind, detail=detail, close_code=close_code)


class FrameStream:
    """Both directions of one open connection.

    Args:
        rng: makes the masks; may be shared by many connections (one generator weighs 2.5 KiB).
        max_message: the largest message accepted, in bytes.
        is_client: a client masks what it sends and accepts nothing masked; a server does the reverse.
    """

    __slots__ = (
        "_held",
        "_is_client",
        "_max_message",
        "_message",
        "_message_is_text",
        "_needed",
        "_over",
        "_plain_limit",
        "_rng",
    )

    def __init__(self, *, rng: random.Random, max_message: int, is_client: bool) -> None:
        self._rng = rng
        self._max_message = max_message
        self._is_client = is_client
        # The second header byte of a frame that needs no closer look is at most this: neither masked nor long.
        self._plain_limit = min(125, max_message) if is_client else -1
        self._held: bytearray | None = None  # the beginning of a frame ...
        self._needed = 0  # ... and how long it must become before it is looked at again
        self._message: bytearray | None = None  # the fragments so far
        self._message_is_text = False
        self._over = False

    def receive_frames(self, data: bytes) -> list[FrameEvent]:
        if self._over:
            return []
        held = self._held
        if held is not None:
            held += data
            if len(held) < self._needed:
                return []
            data = bytes(held)
            self._held = None
        elif (
            self._message is None
            and 2 < len(data) == data[1] + 2 <= self._plain_limit + 2
            and data[0] == _WHOLE_TEXT
            and (payload := data[2:]).isascii()
        ):  # one short message alone, as prices and answers come
            return [_new(Text, (payload.decode("ascii"),))]

        events: list[FrameEvent] = []
        self._needed = 2
        position, end = 0, len(data)
        plain_limit = self._plain_limit
        try:
            while position + 1 < end:
                first, second = data[position], data[position + 1]
                start = position + 2
                stop = start + second
                if second <= plain_limit and stop <= end and self._message is None:
                    if first == _WHOLE_TEXT:
                        events.append(_new(Text, (data[start:stop].decode(),)))
                        position = stop
                        continue
                    if first == _WHOLE_BINARY:
                        events.append(_new(Binary, (data[start:stop],)))
                        position = stop
                        continue

                start, stop = self._payload_bounds(data, position)
                if stop > end:
                    self._needed = stop - position
                    break
                payload = data[start:stop]
                if not self._is_client:
                    payload = apply_mask(payload, data[start - 4 : start])
                event = self._event(first, payload)
                if event is not None:
                    events.append(event)
                if first == _FIN | _CLOSE:
                    self._stop()
                    return events
                position = stop
        except _Violation as violation:
            events.append(violation.broken)
            self._stop()
        except UnicodeDecodeError as error:
            detail = f"text is not UTF-8: {error.reason} at byte {error.start}"
            events.append(Broken(kind=BrokenKind.BAD_UTF8, detail=detail, close_code=1007))
            self._stop()
        else:
            if position < end:
                self._held = bytearray(data[position:])
        return events

    def _payload_bounds(self, data: bytes, position: int) -> tuple[int, int]:
        """Check the frame header at `position`; a stop beyond the data tells how much must be there to go on."""
        first, second = data[position], data[position + 1]
        opcode = first & 0x0F
        masked = bool(second & _MASKED)
        if first & 0x70:
            raise _Violation(
                BrokenKind.RESERVED_BITS,
                f"frame header {first:#04x} has a reserved bit set, but no extension is in use",
            )
        if opcode not in (_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG):
            raise _Violation(
                BrokenKind.BAD_OPCODE, f"frame header {first:#04x} has the reserved opcode {opcode:#x}"
            )
        if masked == self._is_client:
            raise _Violation(
                BrokenKind.BAD_MASK,
                "a masked frame from a server" if masked else "an unmasked frame from a client",
            )

        start = position + 2
        length = second & 0x7F
        if length >= 126:
            start += 2 if length == 126 else 8
            if start > len(data):
                return start, start
            length = int.from_bytes(data[position + 2 : start])
        if masked:
            start += 4

        if opcode >= _CLOSE:
            if length > _MAX_CONTROL_PAYLOAD:
                raise _Violation(
                    BrokenKind.BAD_LENGTH,
                    f"a control frame announces {length} bytes, at most 125 are allowed",
                )
            if not first & _FIN:
                raise _Violation(BrokenKind.FRAGMENTATION, "a control frame is fragmented")
            return start, start + length

        if (opcode == _CONTINUATION) != (self._message is not None):
            raise _Violation(
                BrokenKind.FRAGMENTATION,
                "a continuation of no message"
                if self._message is None
                else "a new message inside a fragmented one",
            )
        size = len(self._message or b"") + length
        if size > self._max_message:
            raise _Violation(
                BrokenKind.TOO_BIG,
                f"a message of at least {size} bytes, at most {self._max_message} are accepted",
                1009,
            )
        return start, start + length

    def _event(self, first: int, payload: bytes) -> FrameEvent | None:
        opcode = first & 0x0F
        if opcode == _PING:
            return Ping(payload)
        if opcode == _PONG:
            return Pong(payload)
        if opcode == _CLOSE:
            return _close_received(payload)

        message = self._message
        if message is None:
            if first & _FIN:
                return Text(payload.decode()) if opcode == _TEXT else Binary(payload)
            self._message_is_text = opcode == _TEXT
            self._message = bytearray(payload)
            return None
        message += payload
        if not first & _FIN:
            return None
        self._message = None
        return Text(message.decode()) if self._message_is_text else Binary(bytes(message))

    def _stop(self) -> None:
        self._over = True
        self._held = self._message = None

    def send_text(self, text: str) -> bytes:
        payload = text.encode()
        length = len(payload)
        if length < 126 and self._is_client:  # nearly all that a client says
            mask = self._rng.getrandbits(32).to_bytes(4)
            return bytes((_WHOLE_TEXT, _MASKED | length)) + mask + apply_mask(payload, mask)
        return self._frame(_WHOLE_TEXT, payload)

    def send_binary(self, payload: bytes) -> bytes:
        return self._frame(_WHOLE_BINARY, payload)

    def send_ping(self, payload: bytes) -> bytes:
        return self._control_frame(_PING, payload)

    def send_pong(self, payload: bytes) -> bytes:
        return self._control_frame(_PONG, payload)

    def send_close(self, code: int | None, reason: str) -> bytes:
        """Any code can be sent, even one that RFC 6455 forbids: the simulator plays peers that do so."""
        return self._control_frame(_CLOSE, b"" if code is None else code.to_bytes(2) + reason.encode())

    def _control_frame(self, opcode: int, payload: bytes) -> bytes:
        if len(payload) > _MAX_CONTROL_PAYLOAD:
            raise LocalProtocolError(f"a control frame carries at most 125 bytes, not {len(payload)}")
        return self._frame(_FIN | opcode, payload)

    def _frame(self, first: int, payload: bytes) -> bytes:
        length = len(payload)
        masked = _MASKED if self._is_client else 0
        if length < 126:
            head = bytes((first, masked | length))
        elif length < 0x10000:
            head = b"%c%c%b" % (first, masked | 126, length.to_bytes(2))
        else:
            head = b"%c%c%b" % (first, masked | 127, length.to_bytes(8))
        if not masked:
            return head + payload
        mask = self._rng.getrandbits(32).to_bytes(4)
        return head + mask + apply_mask(payload, mask)


def _close_received(payload: bytes) -> CloseReceived:
    if not payload:
        return CloseReceived(code=None, reason="")
    if len(payload) == 1:
        raise _Violation(BrokenKind.BAD_CLOSE, "a close frame of one byte: half a close code")
    code, reason = int.from_bytes(payload[:2]), payload[2:].decode()
    if not any(code in allowed for allowed in _CLOSE_CODES):
        raise _Violation(
            BrokenKind.BAD_CLOSE, f"close code {code} must not be on the wire (reason {reason!r})"
        )
    return CloseReceived(code=code, reason=reason)
