"""HTTP heads and refusal bodies, read only as far as a WebSocket handshake needs them.

More lenient than websockets is, because a refused upgrade is a measurement: its status counts even over HTTP/1.0, with
long header lines or with a body that never ends.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum

from probe.model.errors import LocalProtocolError

Headers = tuple[tuple[str, str], ...]

MAX_HEAD = 64 * 1024  # interim responses included
_MAX_PREVIEW = 256
MAX_BODY_PREVIEW = 4096
_MAX_CHUNK_LINE = 256

_BLANK_LINE = re.compile(rb"\n\r?\n")
_HEADER_LINE = re.compile(r"([-!#$%&'*+.^_`|~0-9A-Za-z]+)[ \t]*:([\t\x20-\x7e\x80-\xff]*)")
_CONTENT_LENGTH = re.compile(r"[0-9]{1,18}")
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,15}")


class HandshakeFault(Enum):
    NOT_HTTP = "not_http"
    INVALID_UPGRADE = "invalid_upgrade"
    HEADER_TOO_LARGE = "header_too_large"
    CUT_SHORT = "cut_short"  # the peer ended the stream inside its head, or before it


@dataclass(frozen=True, slots=True, kw_only=True)
class HandshakeBroken:
    """What the peer sent is no opening handshake; everything it sends afterwards is ignored."""

    reason: HandshakeFault
    detail: str
    preview: bytes
    headers: Headers = ()  # of a 101 that is wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradeRefused:
    """The server answered with plain HTTP instead of switching to WebSocket."""

    status: int
    reason: str
    headers: Headers
    body_preview: bytes
    complete: bool  # whether the preview is the whole body


class BadHead(Exception):
    def __init__(
        self, reason: HandshakeFault, detail: str, received: bytes | bytearray, headers: Headers = ()
    ) -> None:
        super().__init__(detail)
        self.broken = HandshakeBroken(
            reason=reason, detail=detail, preview=bytes(received[:_MAX_PREVIEW]), headers=headers
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    first_line: str
    headers: Headers
    preview: bytes
    rest: bytes  # what came after the blank line


class HeadReader:
    """Collects an HTTP head up to its blank line and cuts it up."""

    __slots__ = ("_budget", "_may_begin", "_received")

    def __init__(self, may_begin: Callable[[bytes], bool]) -> None:
        self._may_begin = may_begin
        self._received = bytearray()
        self._budget = MAX_HEAD

    def receive(self, data: bytes) -> Head | None:
        received = self._received
        searched = max(0, len(received) - 2)
        received += data
        if not self._may_begin(bytes(received[:20])):
            raise BadHead(HandshakeFault.NOT_HTTP, "the first bytes are not HTTP/1", received)
        blank_line = _BLANK_LINE.search(received, searched)
        size = blank_line.end() if blank_line else len(received)
        if size > self._budget:
            raise BadHead(
                HandshakeFault.HEADER_TOO_LARGE, f"no end of the head within {MAX_HEAD} bytes", received
            )
        if not blank_line:
            return None
        self._budget -= size
        self._received = bytearray()
        return _parse_head(bytes(received[:size]), bytes(received[size:]))

    def cut_short(self) -> HandshakeBroken:
        count = len(self._received)
        where = f"inside the HTTP head, after {count} bytes" if count else "before an HTTP head"
        return BadHead(HandshakeFault.CUT_SHORT, f"the stream ended {where}", self._received).broken


def _parse_head(head: bytes, rest: bytes) -> Head:
    first_line, *lines = [line.removesuffix("\r") for line in head.decode("latin-1").split("\n")[:-2]]
    headers = []
    for number, line in enumerate(lines, start=2):
        header = _HEADER_LINE.fullmatch(line)
        if header is None:
            raise BadHead(HandshakeFault.NOT_HTTP, f"line {number} of the HTTP head is no header", head)
        headers.append((header[1], header[2].strip(" \t")))
    return Head(first_line=first_line, headers=tuple(headers), preview=head[:_MAX_PREVIEW], rest=rest)


def head_bytes(first_line: str, headers: Iterable[tuple[str, str]]) -> bytes:
    lines = [first_line]
    for name, value in headers:
        line = f"{name}: {value}"
        if not _HEADER_LINE.fullmatch(line):  # without the value: it may be a secret
            raise LocalProtocolError(f"the header {name!r} holds a character that HTTP cannot carry")
        lines.append(line)
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


class Refusal:
    """An answer other than 101. Its body is read only as far as the preview needs."""

    __slots__ = ("_body", "_chunks", "_headers", "_left", "_reason", "_status")

    def __init__(self, status: int, reason: str, headers: Headers) -> None:
        self._status = status
        self._reason = reason
        self._headers = headers
        self._body = bytearray()
        self._chunks: bytearray | None = None  # what waits to be cut up
        self._left: int | None = (
            None  # of the body or of the chunk; None: the body lasts until the stream ends
        )
        if status in (204, 304):
            self._left = 0
            return
        values = {name.lower(): value for name, value in headers}
        if values.get("transfer-encoding", "").lower().endswith("chunked"):
            self._chunks, self._left = bytearray(), 0
        elif _CONTENT_LENGTH.fullmatch(length := values.get("content-length", "")):
            self._left = int(length)

    def event(self, *, complete: bool) -> UpgradeRefused:
        return UpgradeRefused(
            status=self._status,
            reason=self._reason,
            headers=self._headers,
            body_preview=bytes(self._body[:MAX_BODY_PREVIEW]),
            complete=complete,
        )

    def receive_end(self) -> UpgradeRefused:
        return self.event(complete=self._left is None)

    def receive(self, data: bytes) -> UpgradeRefused | None:
        if self._chunks is not None:
            return self._receive_chunks(self._chunks, data)
        self._body += data[: self._left]
        if self._left is not None:
            self._left -= min(self._left, len(data))
        if len(self._body) > MAX_BODY_PREVIEW:
            return self.event(complete=False)
        return self.event(complete=True) if self._left == 0 else None

    def _receive_chunks(self, waiting: bytearray, data: bytes) -> UpgradeRefused | None:
        waiting += data
        while len(self._body) <= MAX_BODY_PREVIEW:
            if self._left:
                piece = waiting[: self._left]
                if not piece:
                    return None
                self._body += piece
                self._left -= len(piece)
                del waiting[: len(piece)]
                continue
            end_of_line = waiting.find(b"\n")
            if end_of_line < 0:
                if len(waiting) > _MAX_CHUNK_LINE:
                    break
                return None
            size = waiting[:end_of_line].partition(b";")[0].strip()
            del waiting[: end_of_line + 1]
            if not size:  # the line break after the previous chunk
                continue
            if not _CHUNK_SIZE.fullmatch(size):
                break
            self._left = int(size, 16)
            if self._left == 0:
                return self.event(complete=True)
        return self.event(complete=False)
