"""A way through a proxy to the server: HTTP CONNECT and SOCKS5, bytes in and bytes out.

The server's name always travels as it is, so that the proxy looks it up. What a proxy says of itself goes into the
failure, because it is often the only hint at whose rule was hit; what we told it is masked there.
"""

import ipaddress
import re
from base64 import b64encode
from collections.abc import Callable, Generator
from typing import Protocol

from probe.model.credentials import Redactor, Secret
from probe.model.endpoint import Address
from probe.model.failures import Failure, Speaker
from probe.model.proxy import Proxy, Scheme
from probe.wire.heads import BadHead, Head, HeadReader, head_bytes

_MAX_WORDS = 200  # of what the proxy said
_STATUS_LINE = re.compile(r"HTTP/1\.[0-9] ([1-9][0-9]{2})(?: (.*))?")
_TELLING = ("proxy-authenticate", "proxy-agent", "via", "server", "x-squid-error")  # headers of a refusal
_SPOKEN = {  # how protocols begin that are met on a proxy's port by mistake
    b"HT": "it speaks HTTP",
    b"\x05": "it speaks SOCKS5",
    b"\x00": "it speaks SOCKS4",
    b"\x15\x03": "it speaks TLS",
    b"\x16\x03": "it speaks TLS",
    b"SS": "it speaks SSH",
}


class Tunnel(Protocol):
    """Send what `begin` and `receive` give, feed what arrives, until it is open or has failed. From then on the stream
    is the server's."""

    @property
    def open(self) -> bool: ...
    @property
    def failure(self) -> Failure | None: ...
    def begin(self) -> bytes: ...
    def receive(self, data: bytes) -> bytes: ...
    def receive_end(self) -> None: ...


def tunnel_through(proxy: Proxy, target: Address) -> Tunnel:
    return _TUNNELS[proxy.scheme](proxy, target)


class _Tunnel:
    """What both have in common: the end, good or bad."""

    __slots__ = ("_proxy", "_redact", "_target", "failure", "open")

    def __init__(self, proxy: Proxy, target: Address) -> None:
        self._proxy = proxy
        self._target = target
        self._redact = Redactor(proxy.login or ())
        self.open = False
        self.failure: Failure | None = None

    def receive_end(self) -> None:
        if not self.open and self.failure is None:
            self._fail("tcp.proxy-closed", "it closed without a reason")

    def _finish(self, rest: bytes) -> bytes:
        """Nothing may follow the proxy's yes: every server here waits until it is spoken to."""
        if rest:
            return self._fail(
                "tcp.proxy-protocol", f"it sent {len(rest)} bytes before anybody asked for them"
            )
        self.open = True
        return b""

    def _fail(self, kind: str, detail: str, http_status: int | None = None) -> bytes:
        words = self._redact.shorten(detail, _MAX_WORDS)
        self.failure = Failure(
            kind=kind, spoke_last=Speaker.REMOTE, detail=f"{self._proxy}: {words}", http_status=http_status
        )
        return b""


def _what_speaks(received: bytes) -> str:
    known = (words for start, words in _SPOKEN.items() if received.startswith(start))
    return next(known, f"its first bytes are {received[:40]!r}")


def _kind_of_status(status: int) -> str:
    """What another answer than 2xx to CONNECT means."""
    match status:
        case 407 | 401:  # tinyproxy says 401 to a wrong password
            return "tcp.proxy-auth"
        case 400 | 404 | 405 | 501:  # what a server says to it that is no proxy
            return "tcp.proxy-protocol"
        case _:
            return "tcp.proxy-no-target" if status >= 500 else "tcp.proxy-denied"


class HttpConnect(_Tunnel):
    """RFC 9110, section 9.3.6, with Basic authentication."""

    __slots__ = ("_head",)

    def __init__(self, proxy: Proxy, target: Address) -> None:
        super().__init__(proxy, target)
        self._head = HeadReader(lambda beginning: b"HTTP/1.".startswith(beginning[:7]))

    def begin(self) -> bytes:
        host = f"[{self._target.host}]" if ":" in self._target.host else self._target.host
        there = f"{host}:{self._target.port}"
        headers = [("Host", there)]
        if login := self._proxy.login:
            both = Secret(f"{login.user.reveal()}:{login.password.reveal()}")
            basic = Secret(b64encode(both.reveal().encode()).decode())
            self._redact = Redactor((*login, both, basic))
            headers.append(("Proxy-Authorization", f"Basic {basic.reveal()}"))
        return head_bytes(f"CONNECT {there} HTTP/1.1", headers)

    def receive(self, data: bytes) -> bytes:
        try:
            while (head := self._head.receive(data)) is not None:
                line = _STATUS_LINE.fullmatch(head.first_line)
                if line is None:
                    return self._fail("tcp.proxy-protocol", f"its first line is {head.first_line!r}")
                status = int(line[1])
                if status >= 300:
                    return self._refused(status, line[2] or "", head)
                if status >= 200:
                    return self._finish(head.rest)
                data = head.rest  # an interim response
        except BadHead as bad:
            is_http = bad.broken.preview.startswith(b"HTTP/1.")
            detail = bad.broken.detail if is_http else _what_speaks(bad.broken.preview)
            return self._fail("tcp.proxy-protocol", detail)
        return b""

    def _refused(self, status: int, reason: str, head: Head) -> bytes:
        kind = _kind_of_status(status)
        words = [f"HTTP {status} {reason}".rstrip()]
        if kind == "tcp.proxy-auth":
            words.append("the login was not accepted" if self._proxy.login else "no login was given")
        words += [f"{name}: {value}" for name, value in head.headers if name.lower() in _TELLING and value]
        return self._fail(kind, "; ".join(words), status)


_NO_LOGIN, _USER_AND_PASSWORD, _NONE_OF_THEM = 0, 2, 255  # methods
_IPV4, _NAME, _IPV6 = 1, 3, 4
_SIZES = {_IPV4: 4, _IPV6: 16}  # a name stands behind its length
_LONGEST_NAME = 255
_REFUSALS = {  # RFC 1928, section 6
    1: ("tcp.proxy-no-target", "general failure"),
    2: ("tcp.proxy-denied", "not allowed by its rules"),
    3: ("tcp.proxy-no-target", "network unreachable"),
    4: ("tcp.proxy-no-target", "host unreachable"),
    5: ("tcp.proxy-no-target", "the server refused the connection"),
    6: ("tcp.proxy-no-target", "time to live expired"),
    7: ("tcp.proxy-denied", "it opens no connections at all (command not supported)"),
    8: ("tcp.proxy-denied", "it does not take this kind of address"),
}


class Socks5(_Tunnel):
    """RFC 1928, with user and password by RFC 1929."""

    __slots__ = ("_flow", "_outgoing", "_received")

    def __init__(self, proxy: Proxy, target: Address) -> None:
        super().__init__(proxy, target)
        self._received = bytearray()
        self._outgoing = b""
        self._flow = self._converse()

    def begin(self) -> bytes:
        return self.receive(b"")

    def receive(self, data: bytes) -> bytes:
        self._received += data
        next(self._flow, None)
        send, self._outgoing = self._outgoing, b""
        return send

    def _converse(self) -> Generator[None, None, object]:
        """Each yield waits for more bytes."""
        login = self._proxy.login
        methods = [_NO_LOGIN, _USER_AND_PASSWORD] if login else [_NO_LOGIN]
        self._outgoing += bytes([5, len(methods), *methods])
        version, method = yield from self._take(2)
        if version != 5:
            return self._fail("tcp.proxy-protocol", _what_speaks(bytes([version, method, *self._received])))
        if method == _USER_AND_PASSWORD and login:
            user, password = (piece.reveal().encode() for piece in login)
            self._outgoing += bytes([1, len(user), *user, len(password), *password])
            _, refused = yield from self._take(2)  # the version differs from server to server
            if refused:
                return self._fail("tcp.proxy-auth", f"the login was not accepted (code {refused})")
        elif method == _NONE_OF_THEM:
            words = "it takes no user and password" if login else "no login was given"
            return self._fail("tcp.proxy-auth", words)
        elif method != _NO_LOGIN:
            return self._fail("tcp.proxy-protocol", f"it chose login method {method}, which was not offered")
        if len(self._target.host) > _LONGEST_NAME:
            return self._fail("tcp.proxy-no-target", "the server's name is too long for SOCKS5")
        self._outgoing += bytes([5, 1, 0, *_shipped(self._target)])
        version, refused = yield from self._take(2)
        if version != 5:
            return self._fail("tcp.proxy-protocol", f"its second reply is of version {version}")
        if refused:  # some send no more than this
            kind, words = _REFUSALS.get(refused, ("tcp.proxy-no-target", "for a reason of its own"))
            return self._fail(kind, f"{words} (SOCKS5 code {refused})")
        _, kind_of_address, first = yield from self._take(3)
        size = first if kind_of_address == _NAME else _SIZES.get(kind_of_address, 0) - 1
        if size < 0:
            return self._fail("tcp.proxy-protocol", f"its reply holds an address of type {kind_of_address}")
        yield from self._take(size + 2)
        return self._finish(bytes(self._received))

    def _take(self, count: int) -> Generator[None, None, bytes]:
        while len(self._received) < count:
            yield
        taken = bytes(self._received[:count])
        del self._received[:count]
        return taken


def _shipped(target: Address) -> bytes:
    """Host and port as the request holds them."""
    try:
        address = ipaddress.ip_address(target.host)
    except ValueError:
        host = bytes([_NAME, len(target.host), *target.host.encode("ascii")])
    else:
        host = bytes([_IPV4 if address.version == 4 else _IPV6, *address.packed])
    return host + target.port.to_bytes(2, "big")


_TUNNELS: dict[Scheme, Callable[[Proxy, Address], Tunnel]] = {Scheme.HTTP: HttpConnect, Scheme.SOCKS5: Socks5}
