"""HTTP/1.1 as bytes: what is sent of a call, and the body of its answer, as far as anybody reads it."""

import json
import re
import zlib
from urllib.parse import urlencode, urlsplit

from probe.model.credentials import Secret
from probe.model.endpoint import Address
from probe.model.errors import LocalProtocolError
from probe.model.failures import Failure, Speaker
from probe.wire.calls import HttpCall
from probe.wire.heads import Head, head_bytes

BODY_LIMIT = 1024 * 1024  # bytes; what is longer is cut
_SIZE = re.compile(rb"[0-9A-Fa-f]{1,15}")
_LENGTH = re.compile(r"[0-9]{1,18}")
_LONGEST_LINE = 256  # of a chunk's size
_NO_BODY = (204, 304)
_PACKED = ("gzip", "x-gzip", "deflate")


class Broken(Exception):
    """The call came to nothing, and why."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure


class Body:
    """An answer's body, as far as anybody reads it."""

    __slots__ = ("_chunks", "_is_last", "_left", "_unpacker", "is_done", "read", "rest")

    def __init__(self, head: Head, status: int, method: str) -> None:
        values = {name.lower(): value for name, value in head.headers}
        self.read = bytearray()
        self.rest = b""  # came behind it, and nobody asked
        self._chunks: bytearray | None = None  # what waits to be cut up
        self._is_last = False  # the chunk without content was there
        self._left: int | None = None  # of the body or of the chunk; None: it lasts until the stream ends
        if status in _NO_BODY or method == "HEAD":
            self._left = 0
        elif values.get("transfer-encoding", "").lower().endswith("chunked"):
            self._chunks, self._left = bytearray(), 0
        elif _LENGTH.fullmatch(length := values.get("content-length", "")):
            self._left = int(length)
        self.is_done = self._chunks is None and self._left == 0
        coding = values.get("content-encoding", "identity").strip().lower()
        if coding not in ("", "identity", *_PACKED):
            raise Broken(not_http("its body is compressed in a way that nobody asked for"))
        self._unpacker = zlib.decompressobj(wbits=47) if coding in _PACKED else None

    @property
    def ends_by_itself(self) -> bool:
        return self._left is not None

    @property
    def is_cut(self) -> bool:
        return len(self.read) > BODY_LIMIT

    @property
    def content(self) -> bytes:
        return bytes(self.read[:BODY_LIMIT])

    def take(self, data: bytes) -> None:
        if self._chunks is not None:
            self._cut_up(self._chunks, data)
        elif self._left is None:
            self._keep(data)
        else:
            self._keep(data[: self._left])
            self.rest = data[self._left :]
            self._left -= min(self._left, len(data))
            self.is_done = not self._left
        self.is_done |= self.is_cut

    def end(self) -> None:
        """The stream ended.

        Raises:
            Broken: in the middle.
        """
        if not self.is_done and self.ends_by_itself:
            words = "it ended in the middle of the body"
            raise Broken(Failure(kind="http.closed", spoke_last=Speaker.REMOTE, detail=words))

    def _keep(self, data: bytes) -> None:
        if self._unpacker is not None:  # no further than somebody reads
            try:
                data = self._unpacker.decompress(data, BODY_LIMIT + 1 - len(self.read))
            except zlib.error:
                raise Broken(not_http("its body is not compressed in the way its head says")) from None
        self.read += data

    def _cut_up(self, waiting: bytearray, data: bytes) -> None:
        waiting += data
        while not self.is_cut:
            if self._left:
                piece = bytes(waiting[: self._left])
                if not piece:
                    return
                self._keep(piece)
                self._left -= len(piece)
                del waiting[: len(piece)]
                continue
            end_of_line = waiting.find(b"\n")
            if end_of_line < 0 and len(waiting) <= _LONGEST_LINE:
                return
            size = waiting[:end_of_line].partition(b";")[0].strip()
            if end_of_line == 0 or waiting[:end_of_line] == b"\r":  # behind the chunk before
                del waiting[: end_of_line + 1]
                if self._is_last:
                    self.rest, self.is_done = bytes(waiting), True
                    return
                continue
            if self._is_last:  # a trailer
                del waiting[: end_of_line + 1]
                continue
            if end_of_line < 0 or not _SIZE.fullmatch(size):
                raise Broken(not_http("a chunk of its body has no size"))
            del waiting[: end_of_line + 1]
            self._left = int(size, 16)
            self._is_last = not self._left


def not_http(words: str) -> Failure:
    return Failure(kind="http.not-http", spoke_last=Speaker.REMOTE, detail=words)


def is_at(address: Address, url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    scheme = "https" if address.secure else "http"
    usual = 443 if address.secure else 80
    return (parts.scheme, parts.hostname, port or usual) == (scheme, address.host, address.port)


def written(call: HttpCall, address: Address) -> bytes:
    """Exactly the headers of the call, and those without which HTTP could not send it.

    Raises:
        LocalProtocolError: HTTP cannot carry one of them; its value, which may be a secret, is not repeated.
    """
    headers = [(name, _revealed(value)) for name, value in call.headers]
    named = {name.lower() for name, _ in headers}
    content, kind = b"", None
    if call.form is not None:
        pairs = [(name, _revealed(value)) for name, value in call.form]
        # A password may hold anything, and an encoding error would show it.
        content, kind = urlencode(pairs, errors="surrogatepass").encode(), "application/x-www-form-urlencoded"
    elif call.json is not None:
        content, kind = json.dumps(call.json, default=_revealed).encode(), "application/json"
    if "host" not in named:
        headers.insert(0, ("Host", address.host_header))
    if kind is not None and "content-type" not in named:
        headers.append(("Content-Type", kind))
    if content or call.method not in ("GET", "HEAD", "OPTIONS"):
        headers.append(("Content-Length", str(len(content))))
    parts = urlsplit(call.url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not target.isascii() or not target.isprintable() or " " in target:
        raise LocalProtocolError("a call's address holds a character that HTTP cannot carry")
    return head_bytes(f"{call.method} {target} HTTP/1.1", headers) + content


def _revealed(value: object) -> str:
    return value.reveal() if isinstance(value, Secret) else str(value)
