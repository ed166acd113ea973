"""Requests made fit for a strict HTTP server: what HTTP allows once is there once.

Some clients of brokers send `Host`, `Origin` or `User-Agent` twice, and brokers' servers do not mind.
"""

import re

from probe.wire.heads import BadHead, Head, Headers, HeadReader, head_bytes

_REQUEST_BEGINNING = re.compile(rb"[A-Z]*(?: |\Z)")
_ONCE = frozenset(("host", "origin", "user-agent", "referer", "content-type", "cookie"))
_LENGTH = re.compile("[0-9]{1,9}")


def request_reader() -> HeadReader:
    return HeadReader(lambda beginning: _REQUEST_BEGINNING.match(beginning) is not None)


class Folding:
    """All requests of one connection, one after the other. What cannot be read is passed on as it is, to be refused."""

    def __init__(self) -> None:
        self.request_bytes = 0  # of the request that is on its way, with all that it announces
        self._reader = request_reader()
        self._head = bytearray()  # as it came
        self._body_left = 0
        self._lost = False  # where the next request begins

    def receive(self, data: bytes) -> bytes:
        out = bytearray()
        while data and not self._lost:
            if self._body_left:
                piece = data[: self._body_left]
                self._body_left -= len(piece)
                out += piece
                data = data[len(piece) :]
                continue
            self._head += data
            try:
                head = self._reader.receive(data)
            except BadHead:
                self._lost, data = True, bytes(self._head)
                break
            if head is None:
                return bytes(out)
            out += self._fold(head)
            data = head.rest
        self.request_bytes += len(data)
        return bytes(out) + data

    def _fold(self, head: Head) -> bytes:
        headers = fold(head.headers)
        lengths = {value for name, value in headers if name.lower() == "content-length"} or {"0"}
        chunked = any(name.lower() == "transfer-encoding" for name, _ in headers)
        length = _LENGTH.fullmatch(lengths.pop())
        self._lost = chunked or length is None or bool(lengths)
        self._body_left = int(length[0]) if length and not self._lost else 0
        self._reader = request_reader()
        self._head.clear()
        folded = head_bytes(head.first_line, headers)
        self.request_bytes = len(folded) + self._body_left
        return folded


def fold(headers: Headers) -> Headers:
    """The first of each header that may come once; all cookies in one."""
    cookies = "; ".join(value for name, value in headers if name.lower() == "cookie")
    folded, seen = [], set()
    for name, value in headers:
        key = name.lower()
        if key not in seen:
            folded.append((name, cookies if key == "cookie" else value))
        if key in _ONCE:
            seen.add(key)
    return tuple(folded)
