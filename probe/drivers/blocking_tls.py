"""TLS between bytes and bytes. OpenSSL never sees the socket: a reader can wait there while somebody else writes, and two
threads never meet in OpenSSL, which could not bear it. And what the socket says stays exact: a reset is a reset."""

import ssl

_RECORD = 16384  # the most that one read gives


class TlsLayer:
    """One connection's TLS: what was received goes in by `take`, what must be sent comes out of `to_send`."""

    __slots__ = ("_incoming", "_outgoing", "broken", "has_ended", "secured")

    def __init__(self, context: ssl.SSLContext, verified_name: str) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.secured = context.wrap_bio(self._incoming, self._outgoing, server_hostname=verified_name)
        self.has_ended = False  # the other end has said goodbye
        self.broken: ssl.SSLError | None = None

    def take(self, received: bytes) -> None:
        self._incoming.write(received)

    def take_end(self) -> None:
        self._incoming.write_eof()

    def to_send(self) -> bytes:
        return self._outgoing.read()

    def shake_hands(self) -> bool:
        """Whether that is done; if not, the other end has to say something first.

        Raises:
            SSLError: it failed; there may be an alert to send.
        """
        try:
            self.secured.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def opened(self) -> bytes:
        """What could be read so far; after the last of it `has_ended` or `broken` says why there is no more."""
        plain: list[bytes] = []
        try:
            while data := self.secured.read(_RECORD):
                plain.append(data)
            self.has_ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self.broken = error
        return b"".join(plain)

    def seal(self, plain: bytes) -> bytes:
        self.secured.write(plain)
        return self.to_send()

    def say_goodbye(self) -> bool:
        """Whether both have said it, or the other end goes on talking and will not."""
        try:
            self.secured.unwrap()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError:
            pass
        return True
