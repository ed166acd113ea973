"""The server's side of TLS as a Drivable, so that stream faults can be done to its bytes and its certificate chosen late."""

import ssl
from contextlib import suppress

from probe.model.events import Event
from probe.model.failures import Failure, Speaker
from probe.wire.drivable import Drivable, Signal

_READ_BYTES = 64 * 1024


class SecuredSession:
    """TLS around a Drivable, which sees the plain bytes. A handshake that takes too long ends by the inner deadline."""

    def __init__(self, inner: Drivable, context: ssl.SSLContext) -> None:
        self._inner = inner
        self._arrived, self._leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._arrived, self._leaving, server_side=True)
        self._handshaken = self._ended = False
        self._failed = False

    def begin(self, now: float) -> None:
        self._inner.begin(now)

    def receive(self, item: bytes, now: float) -> None:
        if self._ended:
            return
        self._arrived.write(item)
        try:
            if not self._handshaken:
                self._tls.do_handshake()
                self._handshaken = True
            while plain := self._tls.read(_READ_BYTES):
                self._inner.receive(plain, now)
            self._end(now, None)  # the peer's close_notify
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as problem:
            self._failed = True
            detail = problem.reason or "TLS broke"
            self._end(now, Failure(kind="tls.alert", spoke_last=Speaker.REMOTE, detail=detail))

    def receive_end(self, now: float, failure: Failure | None) -> None:
        self._end(now, failure)

    def wake(self, now: float) -> None:
        self._inner.wake(now)

    def next_wake(self) -> float | None:
        return self._inner.next_wake()

    def outgoing(self) -> list[bytes | Signal]:
        out: list[bytes | Signal] = []
        for effect in self._inner.outgoing():
            if isinstance(effect, bytes):
                if self._handshaken and not self._failed:
                    self._tls.write(effect)
                continue
            if self._handshaken and effect is not Signal.ABORT:
                with suppress(ssl.SSLError):  # the peer's goodbye is missing; ours is written
                    self._tls.unwrap()
            self._take_leaving(out)
            out.append(Signal.ABORT if effect is Signal.ABORT else Signal.CLOSE)  # TLS cannot half-close
        self._take_leaving(out)
        return out

    def events(self) -> list[Event]:
        return self._inner.events()

    def _take_leaving(self, out: list[bytes | Signal]) -> None:
        if ciphered := self._leaving.read():
            out.append(ciphered)

    def _end(self, now: float, failure: Failure | None) -> None:
        if not self._ended:
            self._ended = True
            self._inner.receive_end(now, failure)
