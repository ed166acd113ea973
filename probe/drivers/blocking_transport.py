"""A socket that never blocks, plain or with TLS. What cannot be sent yet is kept, and a close waits for it, but not for ever."""

import contextlib
import selectors
import socket
import ssl
import time

from probe.drivers.blocking_tls import TlsLayer
from probe.drivers.limits import reset_when_closed

LARGEST_READ = 65_536


class Transport:
    """Only the connection's reader waits, receives and hangs up. The rest is for whoever holds the connection's lock."""

    __slots__ = (
        "_awaits_goodbye",
        "_close_by",
        "_half_close_due",
        "_selector",
        "_unsent",
        "_watched",
        "_writable",
        "end_heard",
        "is_gone",
        "socket",
        "tls",
    )

    def __init__(self, sock: socket.socket, selector: selectors.BaseSelector) -> None:
        self.socket = sock
        self.tls: TlsLayer | None = None
        self._selector = selector
        self._watched = 0
        self._unsent = bytearray()
        self._writable = True
        self._half_close_due = False  # when all is sent
        self._close_by: float | None = None  # nothing more will be heard
        self._awaits_goodbye = False  # TLS has one
        self.end_heard = False
        self.is_gone = False

    # -- to be called under the lock; some raise OSError when the connection is broken -------------------------

    @property
    def unsent(self) -> int:
        return len(self._unsent)

    @property
    def broken(self) -> ssl.SSLError | None:
        return None if self.tls is None else self.tls.broken

    def write(self, data: bytes) -> None:
        if self._writable:
            self._unsent += data if self.tls is None else self.tls.seal(data)
            self.flush()

    def flush(self) -> None:
        """Send what the system takes."""
        try:
            while self._unsent:
                with memoryview(self._unsent) as waiting:
                    sent = self.socket.send(waiting)
                del self._unsent[:sent]
        except BlockingIOError:
            return
        if self._half_close_due:
            self._half_close_due = False
            self.socket.shutdown(socket.SHUT_WR)

    def opened(self, received: bytes) -> bytes:
        """The session's share of what was received."""
        if self.tls is None:
            return received if self._close_by is None and not self.is_gone else b""
        self.tls.take(received)
        if self._close_by is not None or self.is_gone:
            self._awaits_goodbye = not self.tls.say_goodbye()
            return b""
        plain = self.tls.opened()
        self.end_heard = self.end_heard or self.tls.has_ended
        return plain

    def half_close(self, by: float) -> None:
        """Half of a TLS connection cannot be closed."""
        if self.tls is not None:
            self.close(by)
        elif self._writable:
            self._writable, self._half_close_due = False, True
            self.flush()

    def close(self, by: float) -> None:
        if self._close_by is not None or self.is_gone:
            return
        self._writable, self._half_close_due, self._close_by = False, False, by
        if self.tls is not None:
            self._awaits_goodbye = not self.tls.say_goodbye()
            self._unsent += self.tls.to_send()
        self.flush()
        self._rouse_reader()

    def give_up(self) -> None:
        self._writable, self.is_gone = False, True
        self._unsent.clear()
        self._rouse_reader()

    def drop(self) -> None:
        """Give up what is unsent, and let the other end know by a reset."""
        reset_when_closed(self.socket)
        self.give_up()

    def is_done(self, now: float) -> bool:
        """Whether it is time to hang up."""
        if self._close_by is not None and now >= self._close_by:
            self.drop()
        return self.is_gone or self._is_flushed

    @property
    def _is_flushed(self) -> bool:
        waits = self._unsent or (self._awaits_goodbye and not self.end_heard)
        return self._close_by is not None and not waits

    def _rouse_reader(self) -> None:
        """It may be waiting, in another thread, for what will not come."""
        if self.is_gone or self._is_flushed:
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_RD)

    # -- for the reader, without the lock ------------------------------------------------------------------------------

    def wait(self, seconds: float) -> bool:
        """Until there is something to read (true), what is unsent can be sent, or the time is over."""
        wanted = selectors.EVENT_WRITE if self._unsent else 0
        if not self.end_heard:
            wanted |= selectors.EVENT_READ
        if wanted != self._watched:
            if self._watched:
                self._selector.unregister(self.socket)
            if wanted:
                self._selector.register(self.socket, wanted)
            self._watched = wanted
        if not wanted:
            time.sleep(seconds)
            return False
        return any(events & selectors.EVENT_READ for _, events in self._selector.select(seconds))

    def receive(self) -> bytes:
        """Raises OSError when the connection is broken."""
        try:
            received = self.socket.recv(LARGEST_READ)
        except BlockingIOError:
            return b""
        if not received:
            self.end_heard = True
        return received

    def hang_up(self) -> None:
        self._selector.close()
        self.socket.close()
