"""A WebSocket connection from its opening handshake on, for both roles: bytes in, events out.

websockets judges the handshake; its I/O-free classes live only for that moment, so that an idle connection keeps nothing
of them. `heads` reads the HTTP around it, `frames` does everything after it.
"""

import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from random import Random

from websockets.client import ClientProtocol
from websockets.datastructures import Headers as HeaderTable
from websockets.exceptions import InvalidHandshake
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

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
from probe.wire.heads import (
    MAX_HEAD,
    BadHead,
    HandshakeBroken,
    HandshakeFault,
    Head,
    Headers,
    HeadReader,
    Refusal,
    UpgradeRefused,
    head_bytes,
)

__all__ = [
    "Binary",
    "Broken",
    "BrokenKind",
    "ClientSocket",
    "ClientSocketEvent",
    "CloseReceived",
    "FrameEvent",
    "HandshakeBroken",
    "HandshakeFault",
    "Headers",
    "Opened",
    "Ping",
    "Pong",
    "ServedSocket",
    "ServedSocketEvent",
    "Text",
    "UpgradeRefused",
    "UpgradeRequested",
]

_JUDGE = ClientProtocol(parse_uri("ws://any/"))  # a copy costs a third of a new one
_STATUS_LINE = re.compile(r"HTTP/(1\.[01]) ([1-9][0-9]{2})(?: (.*))?")
_REQUEST_LINE = re.compile(r"([A-Z]+) ([\x21-\x7e]+) (HTTP/1\.[01])")
_REQUEST_BEGINNING = re.compile(rb"[A-Z]*(?: |\Z)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The server switched to WebSocket."""

    status: int
    headers: Headers


@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradeRequested:
    """A client sent a valid upgrade request; answer it with `accept` or `refuse`."""

    method: str
    target: str
    headers: Headers
    preview: bytes


_Outcome = Opened | UpgradeRefused | HandshakeBroken
ClientSocketEvent = _Outcome | FrameEvent
ServedSocketEvent = UpgradeRequested | HandshakeBroken | FrameEvent


class ClientSocket(FrameStream):
    """The client's end: send `request()`, then feed what arrives."""

    __slots__ = ("_opening",)

    def __init__(
        self,
        *,
        host: str,
        path_and_query: str,
        headers: Sequence[tuple[str, str]],
        rng: Random,
        max_message: int,
    ) -> None:
        super().__init__(rng=rng, max_message=max_message, is_client=True)
        key = b64encode(rng.randbytes(16)).decode()
        self._opening: _ClientOpening | None = _ClientOpening(host, path_and_query, headers, key)

    def request(self) -> bytes:
        if self._opening is None:
            raise LocalProtocolError("an upgrade request after the handshake is over")
        return self._opening.request()

    def receive(self, data: bytes) -> Sequence[ClientSocketEvent]:
        if self._opening is None:
            return self.receive_frames(data)
        try:
            return self._conclude(*self._opening.receive(data))
        except BadHead as bad:
            return self._conclude(bad.broken)

    def receive_end(self) -> Sequence[ClientSocketEvent]:
        """The peer ended the stream."""
        return self._conclude(self._opening.receive_end()) if self._opening else []

    def refusal_so_far(self) -> UpgradeRefused | None:
        """The refusal whose body is still arriving, for a caller that cannot wait for its end."""
        return self._opening.refusal_so_far() if self._opening else None

    def _conclude(self, outcome: _Outcome | None, rest: bytes = b"") -> Sequence[ClientSocketEvent]:
        if outcome is None:
            return []
        self._opening = None
        if isinstance(outcome, Opened):
            return [outcome, *self.receive_frames(rest)]
        self._stop()
        return [outcome]


class ServedSocket(FrameStream):
    """The server's end: feed what arrives, answer `UpgradeRequested`."""

    __slots__ = ("_head", "_response")

    def __init__(self, *, rng: Random, max_message: int) -> None:
        super().__init__(rng=rng, max_message=max_message, is_client=False)
        self._head: HeadReader | None = HeadReader(_may_begin_request)
        self._response: Response | None = None

    def receive(self, data: bytes) -> Sequence[ServedSocketEvent]:
        if self._head is None:
            return self.receive_frames(data)
        try:
            if self._response is None:
                return self._receive_head(self._head, data)
            self._hold_early(data)
        except BadHead as bad:
            return self._give_up(bad.broken)
        return []

    def receive_end(self) -> Sequence[ServedSocketEvent]:
        """The peer ended the stream."""
        if self._head is None or self._response is not None:
            return []
        return self._give_up(self._head.cut_short())

    def accept(self, extra_headers: Iterable[tuple[str, str]] = ()) -> bytes:
        """The 101. Frames that came too early are parsed by the next `receive`, be it of `b""`."""
        if self._response is None:
            raise LocalProtocolError("an accepted upgrade where no request waits for an answer")
        headers = [*self._response.headers.raw_items(), *extra_headers]
        self._head = self._response = None
        return head_bytes("HTTP/1.1 101 Switching Protocols", headers)

    def refuse(self, status: int, reason: str, headers: Iterable[tuple[str, str]], body: bytes) -> bytes:
        """Any other answer, also to a broken handshake. `Content-Length` is added unless `headers` frame the body."""
        headers = list(headers)
        if not {"content-length", "transfer-encoding"} & {name.lower() for name, _ in headers}:
            headers.append(("Content-Length", str(len(body))))
        self._head = self._response = None
        self._stop()
        return head_bytes(f"HTTP/1.1 {status} {reason}", headers) + body

    def _receive_head(self, reader: HeadReader, data: bytes) -> Sequence[ServedSocketEvent]:
        head = reader.receive(data)
        if head is None:
            return []
        request_line = _REQUEST_LINE.fullmatch(head.first_line)
        if request_line is None:
            raise BadHead(HandshakeFault.NOT_HTTP, "the first line is no HTTP/1 request line", head.preview)
        method, target, version = request_line.groups()
        protocol = ServerProtocol()
        # Origins are not checked, and some clients send two, which it would refuse.
        headers = HeaderTable([header for header in head.headers if header[0].lower() != "origin"])
        response = protocol.accept(Request(target, headers, method, version))
        if protocol.handshake_exc is not None:
            raise BadHead(HandshakeFault.INVALID_UPGRADE, str(protocol.handshake_exc), head.preview)
        # It comes from the machine's clock; whoever has the right one adds it in `accept`.
        del response.headers["Date"]
        self._response = response
        self._hold_early(head.rest)
        return [UpgradeRequested(method=method, target=target, headers=head.headers, preview=head.preview)]

    def _hold_early(self, data: bytes) -> None:
        early = self._held or bytearray()
        early += data
        if len(early) > MAX_HEAD:
            raise BadHead(
                HandshakeFault.INVALID_UPGRADE, "frames keep coming before the upgrade is answered", early
            )
        self._held = early

    def _give_up(self, broken: HandshakeBroken) -> Sequence[ServedSocketEvent]:
        self._head = self._response = None
        self._stop()
        return [broken]


def _may_begin_request(beginning: bytes) -> bool:
    return _REQUEST_BEGINNING.match(beginning) is not None


def _may_begin_response(beginning: bytes) -> bool:
    return b"HTTP/1.".startswith(beginning[:7])


class _ClientOpening:
    """The client's handshake; dropped as soon as it is over."""

    __slots__ = ("_head", "_headers", "_host", "_key", "_path_and_query", "_refusal")

    def __init__(self, host: str, path_and_query: str, headers: Sequence[tuple[str, str]], key: str) -> None:
        self._host = host
        self._path_and_query = path_and_query
        self._headers = headers
        self._key = key
        self._head = HeadReader(_may_begin_response)
        self._refusal: Refusal | None = None

    def request(self) -> bytes:
        request_line = f"GET {self._path_and_query} HTTP/1.1"
        if not _REQUEST_LINE.fullmatch(request_line):
            raise LocalProtocolError("the path and query hold a character that must be percent-encoded")
        ours = [
            ("Host", self._host),
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", self._key),
            ("Sec-WebSocket-Version", "13"),
        ]
        return head_bytes(request_line, [*ours, *self._headers])

    def receive(self, data: bytes) -> tuple[_Outcome | None, bytes]:
        if self._refusal is not None:
            return self._refusal.receive(data), b""
        while (head := self._head.receive(data)) is not None:
            status_line = _STATUS_LINE.fullmatch(head.first_line)
            if status_line is None:
                raise BadHead(
                    HandshakeFault.NOT_HTTP, "the first line is no HTTP/1 status line", head.preview
                )
            version, status, reason = status_line[1], int(status_line[2]), status_line[3] or ""
            if status == 101:
                self._check(version, head)
                return Opened(status=status, headers=head.headers), head.rest
            if status >= 200:
                self._refusal = Refusal(status, reason, head.headers)
                return self._refusal.receive(head.rest), b""
            data = head.rest  # an interim response
        return None, b""

    def receive_end(self) -> _Outcome:
        return self._refusal.receive_end() if self._refusal else self._head.cut_short()

    def refusal_so_far(self) -> UpgradeRefused | None:
        return self._refusal.event(complete=False) if self._refusal else None

    def _check(self, version: str, head: Head) -> None:
        protocol = copy(_JUDGE)
        protocol.key = self._key
        try:
            if version != "1.1":
                raise InvalidHandshake(f"status 101 over HTTP/{version}")
            protocol.process_response(Response(101, "", HeaderTable(head.headers)))
        except InvalidHandshake as error:
            raise BadHead(HandshakeFault.INVALID_UPGRADE, str(error), head.preview, head.headers) from None
